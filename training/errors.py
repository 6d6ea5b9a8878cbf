"""The errors that this package raises.

TrainingError
├── TripDataError    trip records are missing, unreadable or lack a column
├── BundleError      a bundle's manifest or a model is missing or unreadable
└── ParityError      an exported graph's predictions differ from its model's
"""


class TrainingError(Exception):
    """The base class of this package's errors."""


class TripDataError(TrainingError):
    """Trip records are missing, unreadable or lack a column."""


class BundleError(TrainingError):
    """A bundle's manifest or a model is missing or unreadable."""


class ParityError(TrainingError):
    """An exported graph's predictions differ from its model's."""
