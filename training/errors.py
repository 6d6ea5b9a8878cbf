"""The errors that this package raises.

TrainingError
├── TripDataError    trip records are missing, unreadable or lack a column
├── BundleError      a bundle lacks its manifest or a model
└── ParityError      an exported graph's predictions differ from its model's
"""


class TrainingError(Exception):
    """The base class of this package's errors."""


class TripDataError(TrainingError):
    """Trip records are missing, unreadable or lack a column."""


class BundleError(TrainingError):
    """A bundle lacks its manifest or a model."""


class ParityError(TrainingError):
    """An exported graph's predictions differ from its model's."""
