"""Programs that measure the project."""
