"""Which model serves, and what really happened to the rides that it predicted."""
