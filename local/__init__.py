"""AWS on one machine: Kinesis, the event source mapping, the function, and a demo of it all."""
