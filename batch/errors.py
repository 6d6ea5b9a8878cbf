"""The errors that this package raises.

BatchError
├── InvalidRequest        an option has a value that is not allowed
├── SourceError           the table cannot be read, lacks a column, or has one of a wrong type
├── StagingError          the folder of results that are not committed yet cannot be used
├── DatabaseError         the predictions database cannot be reached or written
│   └── DatabaseInUse     another program scores into it, or has it open
├── ModelUnavailable      the model fails on every event: none of them is at fault
└── CountsDiffer          read does not equal predicted + rejected + skipped
"""


class BatchError(Exception):
    """The base class of this package's errors."""


class InvalidRequest(BatchError):
    """An option has a value that is not allowed."""


class SourceError(BatchError):
    """The table cannot be read, lacks a column, or has one of a wrong type."""


class StagingError(BatchError):
    """The folder of results that are not committed yet cannot be used."""


class DatabaseError(BatchError):
    """The predictions database cannot be reached or written."""


class DatabaseInUse(DatabaseError):
    """Another program scores into the database, or has it open."""


class ModelUnavailable(BatchError):
    """The model fails on every event: none of them is at fault, and nothing is committed."""


class CountsDiffer(BatchError):
    """Read does not equal predicted + rejected + skipped; nothing is committed."""
