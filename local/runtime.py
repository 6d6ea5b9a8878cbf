"""The function's process: what Lambda's Python runtime does, on a socket.

Run as `python -m local.runtime <file descriptor>` by `local.execution_environment`. It imports
the handler once, sends READY, and then serves one invocation after another. Every message is a kind
and a JSON body.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, cast

from local.processes import exit_with_parent

READY, RESPONSE, ERROR = b"ready", b"response", b"error"

RESPONSE_BYTES = 6 * 1024 * 1024
"""Limit of a synchronous response (Lambda quotas, invocation payload)."""

Handler = Callable[[Any, Any], Any]


class RuntimeFailure(Exception):
    """A failure with an error type of Lambda's own, such as Runtime.HandlerNotFound."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The context object of Lambda's Python runtime, with what a stream's consumer can use.

    Attributes:
        aws_request_id: This invocation's id.
        deadline_ms: When the invocation times out, in epoch milliseconds.
        function_name: The function's name.
        function_version: `$LATEST`.
        invoked_function_arn: The function's ARN.
        memory_limit_in_mb: The configured memory size; it is not enforced here.
        log_group_name: Where the logs would go at AWS.
        log_stream_name: The same.
        identity: None: only mobile apps send one.
        client_context: None: the same.
    """

    aws_request_id: str
    deadline_ms: float
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return how many milliseconds are left until the invocation times out."""
        return max(int(self.deadline_ms - time.time() * 1000), 0)


def main() -> None:
    """Import the handler and serve invocations until the parent closes the connection or ends."""
    exit_with_parent()
    connection = Connection(int(sys.argv[1]))
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001  whatever the import raises is the function's error
        reply(connection, ERROR, error_body(error))
        return
    reply(connection, READY, b"{}")
    while True:
        try:
            invocation, event = connection.recv_bytes(), connection.recv_bytes()
        except EOFError:
            return
        reply(connection, *handle(handler, json.loads(event), context(json.loads(invocation))))


def load_handler(name: str) -> Handler:
    """Import a handler by the name in Lambda's configuration.

    Args:
        name: `module.function`; the module may have dots.

    Raises:
        RuntimeFailure: There is no such handler; with Lambda's own error type.
    """
    module_name, _, function_name = name.rpartition(".")
    if not module_name:
        raise RuntimeFailure(
            "Runtime.MalformedHandlerName", f"Bad handler '{name}': not module.function"
        )
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise RuntimeFailure(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    handler = getattr(module, function_name, None)
    if not callable(handler):
        raise RuntimeFailure(
            "Runtime.HandlerNotFound",
            f"Handler '{function_name}' missing on module '{module_name}'",
        )
    return cast("Handler", handler)


def context(invocation: dict[str, Any]) -> LambdaContext:
    """Build the context object of one invocation.

    Args:
        invocation: `request_id`, `deadline_ms` (epoch milliseconds) and `function_arn`.
    """
    return LambdaContext(
        aws_request_id=invocation["request_id"],
        deadline_ms=invocation["deadline_ms"],
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        invoked_function_arn=invocation["function_arn"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )


def handle(handler: Handler, event: Any, lambda_context: LambdaContext) -> tuple[bytes, bytes]:
    """Call the handler once and return the kind of the reply and its JSON."""
    try:
        return RESPONSE, encode(handler(event, lambda_context))
    except Exception as error:  # noqa: BLE001  whatever the handler raises is its error
        traceback.print_exc()
        return ERROR, error_body(error)


def encode(response: Any) -> bytes:
    """Encode a handler's response.

    Raises:
        RuntimeFailure: It is not JSON, or larger than Lambda's 6 MB.
    """
    try:
        body = json.dumps(response).encode()
    except (TypeError, ValueError) as error:
        raise RuntimeFailure(
            "Runtime.MarshalError", f"Unable to marshal response: {error}"
        ) from error
    if len(body) > RESPONSE_BYTES:
        raise RuntimeFailure(
            "Function.ResponseSizeTooLarge",
            f"The response has {len(body)} bytes; allowed: at most {RESPONSE_BYTES}",
        )
    return body


def error_body(error: Exception) -> bytes:
    """Return Lambda's error object for an exception."""
    error_type = error.error_type if isinstance(error, RuntimeFailure) else type(error).__name__
    return json.dumps(
        {
            "errorMessage": str(error),
            "errorType": error_type,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
    ).encode()


def reply(connection: Connection, kind: bytes, body: bytes) -> None:
    """Send one message to the parent."""
    connection.send_bytes(kind)
    connection.send_bytes(body)


if __name__ == "__main__":
    main()
