"""Every error of this package.

TrainingError
├── TripDataError    trip records are missing, damaged or lack a column
└── ParityError      an exported graph does not predict what its scikit-learn model predicts
"""


class TrainingError(Exception):
    """The root of the tree."""


class TripDataError(TrainingError):
    """Trip records are missing, damaged or lack a column."""


class ParityError(TrainingError):
    """An exported graph does not predict what its scikit-learn model predicts."""
