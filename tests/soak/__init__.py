"""Soak tests: the whole pipeline under fault injection, and the reconciliation of every event."""
