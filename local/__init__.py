"""AWS on one machine: Kinesis, the event source mapping and the function."""
