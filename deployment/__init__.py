"""From a checkout to a running deployment on AWS, and back: what `make deploy` and its like do."""
