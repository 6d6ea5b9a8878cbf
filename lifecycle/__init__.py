"""The models' life: which serves, and what really happened to the rides that it predicted."""
