"""Coverage-guided fuzzing of all code that parses untrusted bytes."""
