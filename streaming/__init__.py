"""A Kinesis consumer on AWS Lambda, for any model: batches in, predictions out, nothing lost."""
