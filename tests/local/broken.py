"""A module that a function cannot start from."""

raise ValueError("RUN_ID is ''; allowed: a text that is not empty")
