"""Mutants: the code with small changes, each of which some test must notice."""
