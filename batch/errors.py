"""The errors that this package raises.

BatchError
├── InvalidRequest        an option has a value that is not allowed
├── SourceError           the table cannot be read, lacks a column, or has one of a wrong type
├── StagingError          the folder of results that are not committed yet cannot be used
├── DatabaseError         the predictions database cannot be reached or written
│   └── DatabaseInUse     another program scores into it, or has it open
├── ModelUnavailable      the model fails on every event, or is replaced while the run begins
├── CountsDiffer          numbers of rows do not add up
├── scoring_job.MayPass                        a DatabaseError of the process that scores
└── prefect_environment.SchedulerUnavailable   Prefect's server does not start
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
    """The model fails on every event, or is replaced while the run begins; nothing is committed."""


class CountsDiffer(BatchError):
    """Read is not predicted + rejected + skipped, or not what is stored; nothing is committed."""
