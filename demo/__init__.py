"""The ride demo that `make run` runs: producers, bad events, reconciliation, live view."""
