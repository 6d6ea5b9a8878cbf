"""The errors that this package raises.

LifecycleError
├── RegistryError        the registry cannot be reached, or lacks what was asked for
│   └── ChampionChanged  somebody else promoted or rolled back at the same time
├── PublicationError     a bundle exists with other content, or cannot be written
├── ComparisonError      the held-out trips are not held out, or there are too few
├── RetrainingError      an archive has too few labelled rides, or a model cannot learn from them
├── ArchiveUnreadable    an archive's files cannot be read, or hold other tables
└── ServerError          the tracking server does not start
"""


class LifecycleError(Exception):
    """The base class of this package's errors."""


class RegistryError(LifecycleError):
    """The registry cannot be reached, or lacks what was asked for."""


class ChampionChanged(RegistryError):
    """Another promotion or rollback moved the champion meanwhile."""


class PublicationError(LifecycleError):
    """A bundle exists with other content, or cannot be written."""


class ComparisonError(LifecycleError):
    """The held-out trips are not held out, or there are too few."""


class RetrainingError(LifecycleError):
    """An archive has too few labelled rides, or a model cannot learn from them."""


class ArchiveUnreadable(LifecycleError):
    """An archive's files cannot be read, or hold other tables."""


class ServerError(LifecycleError):
    """The tracking server does not start."""
