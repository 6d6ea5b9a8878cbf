"""Every error of this package.

LocalError
├── StartError           a process of the pipeline does not start
├── FunctionError        the function was invoked and failed: an exception, a crash, a timeout
├── FunctionUnavailable  the function could not be invoked: what Lambda calls a service error
├── RidesUnavailable     the rides to put cannot be read
└── EndpointUnknown      no Kinesis is named, and AWS cannot be asked as things are configured
"""


class LocalError(Exception):
    """The root of the tree."""


class StartError(LocalError):
    """A process of the pipeline does not start."""


class FunctionError(LocalError):
    """The function was invoked and failed.

    Args:
        error_type: As in Lambda's error object: the exception's class, or Lambda's own name such as
            `Sandbox.Timedout`.
        message: What the function, or the environment around it, says.
    """

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message


class FunctionUnavailable(LocalError):
    """The function could not be invoked: nothing is known against the records."""


class RidesUnavailable(LocalError):
    """The rides to put cannot be read: a file of trips or of statistics is missing or damaged."""


class EndpointUnknown(LocalError):
    """No Kinesis is named, and AWS cannot be asked as things are configured."""
