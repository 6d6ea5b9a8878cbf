"""The pictures of `docs/performance.md`, drawn from a run of `make bench`."""
