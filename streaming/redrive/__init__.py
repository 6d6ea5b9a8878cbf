"""Dead-letter records back on their stream."""
