"""A page that shows a stream's rides and predictions live: `make run`, or `make page`."""
