"""From trip records to a model bundle: download, features, fit, export, tracking."""
