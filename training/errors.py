"""Every error of this package.

TrainingError
├── TripDataError    trip records are missing, damaged or lack a column
├── BundleError      a bundle lacks its manifest or a model
└── ParityError      an exported graph does not predict what its scikit-learn model predicts
"""


class TrainingError(Exception):
    """The root of the tree."""


class TripDataError(TrainingError):
    """Trip records are missing, damaged or lack a column."""


class BundleError(TrainingError):
    """A bundle lacks its manifest or a model."""


class ParityError(TrainingError):
    """An exported graph does not predict what its scikit-learn model predicts."""
