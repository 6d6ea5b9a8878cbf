"""The function as Lambda runs it: a process for each concurrent invocation.

One child process is what Lambda calls an execution environment: it imports the handler once, serves
one invocation at a time, and is thrown away when the handler crashes or takes too long.
"""

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local import runtime
from local.child import PROJECT, Child, killed_after
from local.errors import FunctionError

ACCOUNT = "123456789012"
VERSION = "$LATEST"

INIT_SECONDS = 60.0
"""How long the import may take. Lambda itself allows 10 s, but on faster disks than a laptop's."""


class Function(Protocol):
    """Something that takes invocations as Lambda's Invoke API does.

    Several threads may invoke it at once; each call returns when its own invocation is answered.
    """

    def invoke(self, payload: bytes) -> bytes:
        """Invoke the function and wait for its answer.

        Args:
            payload: The event, as JSON of at most 6 MB.

        Returns:
            The response, as JSON.

        Raises:
            FunctionError: It was invoked and failed.
            FunctionUnavailable: It could not be invoked.
        """

    def close(self) -> None:
        """Free what the function holds; a later invocation would start anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfiguration:
    """A function's configuration, as at Lambda.

    Attributes:
        name: The function's name.
        handler: `module.function`.
        timeout_seconds: How long an invocation may take.
        memory_mb: Memory that the function is told it has; nothing enforces it here.
        region: The AWS region.
        inherited: The machine's environment variables; default: this process's own.
        environment: The function's own environment variables, on top of those.
        task_root: The folder that the handler is imported from.
    """

    name: str = "ride-predictions"
    handler: str = "lambda_function.lambda_handler"
    timeout_seconds: float = 60.0
    memory_mb: int = 1769
    region: str = "us-east-1"
    inherited: Mapping[str, str] = field(default_factory=lambda: os.environ)
    environment: Mapping[str, str] = field(default_factory=dict)
    task_root: Path = PROJECT

    @property
    def arn(self) -> str:
        """The function's ARN, in the account that local emulators use."""
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}"

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the function's process.

        Lambda's own are as in the developer guide, Defined runtime environment variables.
        """
        return {
            **self.inherited,
            "AWS_DEFAULT_REGION": self.region,
            **self.environment,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"[{VERSION}]{uuid.uuid4().hex}",
            "AWS_REGION": self.region,
            "LAMBDA_TASK_ROOT": str(self.task_root),
            "PYTHONUNBUFFERED": "1",
            "TZ": ":UTC",
            "_HANDLER": self.handler,
        }


class FunctionProcess:
    """One execution environment: a child process that serves one invocation at a time.

    It is started when first needed, and again after it ended.

    Args:
        settings: The function's configuration.
        log: The file that gets what the function prints.
        now: Seconds since the epoch; an invocation's deadline is told by it.
    """

    def __init__(
        self, settings: FunctionConfiguration, log: Path, *, now: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._log = log
        self._now = now
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id; None if none runs."""
        child = self._child
        return None if child is None else child.process.pid

    def start(self) -> None:
        """Start the child unless it runs, and wait until it has imported the handler.

        Raises:
            FunctionError: The import failed.
        """
        self._started()

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`; not for several threads at once."""
        child = self._started()
        seconds = self._settings.timeout_seconds
        invocation = {
            "request_id": str(uuid.uuid4()),
            "deadline_ms": (self._now() + seconds) * 1000,
            "function_arn": self._settings.arn,
        }
        kind, body = self._exchange(child, seconds, json.dumps(invocation).encode(), payload)
        if kind != runtime.ANSWER:
            raise function_error(body)
        return body

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _started(self) -> Child:
        if self._child is None:
            child = self._child = Child.start(self._settings.variables(), self._log)
            kind, body = self._exchange(child, INIT_SECONDS)
            if kind != runtime.READY:
                self.close()
                raise function_error(body)
        return self._child

    def _exchange(self, child: Child, seconds: float, *messages: bytes) -> tuple[bytes, bytes]:
        answer = None
        with (
            killed_after(seconds, child.process) as overdue,
            contextlib.suppress(EOFError, OSError),
        ):
            answer = child.exchange(messages)
        if overdue.is_set():
            self.close()
            raise FunctionError("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")
        if answer is None:
            status = child.process.wait()
            self.close()
            raise FunctionError("Runtime.ExitError", f"Runtime exited with exit status {status}")
        return answer


def function_error(body: bytes) -> FunctionError:
    """Read Lambda's error object, `{"errorMessage": ..., "errorType": ...}`."""
    error = json.loads(body)
    return FunctionError(str(error.get("errorType")), str(error.get("errorMessage")))


class Environment(Function, Protocol):
    """A function that serves one invocation at a time and can be started before the first."""

    def start(self) -> None:
        """Import the handler; raises `FunctionError` if that fails."""


class FunctionPool:
    """A function that scales as Lambda does: an environment for each concurrent invocation.

    Environments stay warm, and the one used last is used first. A crash costs only its own.

    Args:
        new_environment: Makes an environment.
    """

    def __init__(self, new_environment: Callable[[], Environment]) -> None:
        self._new_environment = new_environment
        self._warm: list[Environment] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Have one environment warm, to see early that the function starts at all.

        Raises:
            FunctionError: It does not.
        """
        with self._environment() as environment:
            environment.start()

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`."""
        with self._environment() as environment:
            return environment.invoke(payload)

    def close(self) -> None:
        """Close every environment; none may be serving."""
        with self._lock:
            for environment in self._warm:
                environment.close()
            self._warm.clear()

    @contextlib.contextmanager
    def _environment(self) -> Iterator[Environment]:
        with self._lock:
            environment = self._warm.pop() if self._warm else self._new_environment()
        try:
            yield environment
        finally:
            with self._lock:
                self._warm.append(environment)
