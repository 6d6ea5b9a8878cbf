"""From trip records to the model bundle that ships: download, features, fit, export, track."""
