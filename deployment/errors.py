"""Every error of this package.

DeploymentError
├── ToolMissing        a program that is needed is not installed, or too old
├── CommandFailed      a program ended with an error
└── AliasMoved         something else has moved the alias in the meantime
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from streaming.aws_errors import describe_error


class DeploymentError(Exception):
    """The base class of this package's errors: one line that says what to do."""


class ToolMissing(DeploymentError):
    """A program that is needed is not installed, or too old."""


class CommandFailed(DeploymentError):
    """A program ended with an error."""


class AliasMoved(DeploymentError):
    """Something else has moved the alias in the meantime."""


@contextmanager
def aws_errors(what: str, hint: str = "") -> Iterator[None]:
    """Raise an error of AWS, or of the way to it, as a DeploymentError.

    Args:
        what: What could not be done, such as `the alarms cannot be read`.
        hint: What to do.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(f"{what}: {describe_error(error)}{hint}") from error
