"""Every error of this package.

LocalError
├── StartError           Kinesis, a stream or a process does not start
├── FunctionError        the function was invoked and failed: an exception, a crash, a timeout
└── FunctionUnavailable  the function could not be invoked: what Lambda calls a service error
"""

from collections.abc import Mapping
from typing import Any, Self


class LocalError(Exception):
    """The base class of this package's errors."""


class StartError(LocalError):
    """Kinesis, a stream or a process does not start."""


class FunctionError(LocalError):
    """The function was invoked and failed.

    Args:
        error_type: As in Lambda's error object: the exception's class, or Lambda's own name such as
            `Sandbox.Timedout`.
        message: The function's error message, or Lambda's.
    """

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message

    @classmethod
    def from_object(cls, error: Mapping[str, Any]) -> Self:
        """Read Lambda's error object, `{"errorMessage": ..., "errorType": ...}`."""
        return cls(str(error.get("errorType")), str(error.get("errorMessage")))


class FunctionUnavailable(LocalError):
    """The function could not be invoked, so the records are not to blame."""
