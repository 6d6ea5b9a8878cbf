"""The whole pipeline under faults, and the proof that nothing was lost."""
