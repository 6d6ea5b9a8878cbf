"""Every error of this package.

DeploymentError
├── ToolMissing        a program that is needed is not installed, or too old
├── CommandFailed      a program ended with an error
├── WrongAccount       the credentials are not those of the account that is meant
├── AliasMoved         something else has moved the alias in the meantime
├── AlarmRaised        a rollback alarm is in ALARM
└── NotPutBack         the alias could not be put back: a person must do it
"""


class DeploymentError(Exception):
    """The base class of this package's errors: one line that says what to do."""


class ToolMissing(DeploymentError):
    """A program that is needed is not installed, or too old."""


class CommandFailed(DeploymentError):
    """A program ended with an error."""


class WrongAccount(DeploymentError):
    """The credentials are not those of the account that is meant."""


class AliasMoved(DeploymentError):
    """Something else has moved the alias in the meantime."""


class AlarmRaised(DeploymentError):
    """A rollback alarm is in ALARM."""

    def __init__(self, names: list[str], consequence: str) -> None:
        super().__init__(f"in ALARM: {', '.join(names)}; {consequence}")


class NotPutBack(DeploymentError):
    """The alias could not be put back: a person must do it."""
