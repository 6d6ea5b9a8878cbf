"""The ride demo that `make run` runs: producers, poison records, reconciliation, live view."""
