"""A function as Lambda runs it: its configuration, and an environment per concurrent invocation."""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local.processes import PROJECT

ACCOUNT = "123456789012"
VERSION = "$LATEST"


class Function(Protocol):
    """Something that can be invoked, as with Lambda's Invoke API.

    Several threads may invoke it at once; each call returns when its own invocation has ended.
    """

    def invoke(self, payload: bytes) -> bytes:
        """Invoke the function and wait for its response.

        Args:
            payload: The event, as JSON of at most 6 MB.

        Returns:
            The response, as JSON.

        Raises:
            FunctionError: It was invoked and failed.
            FunctionUnavailable: It could not be invoked.
        """

    def close(self) -> None:
        """Release what the function holds; a later invocation is a cold start.

        An invocation in progress fails.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfiguration:
    """A function's configuration, as at Lambda.

    Attributes:
        name: The function's name; the default is the runtime interface emulator's.
        handler: `module.function`.
        timeout_seconds: Time limit of an invocation.
        memory_mb: The memory size that the function sees; it is not enforced here.
        region: The AWS region.
        inherited: The machine's environment variables; default: this process's own.
        environment: The function's own environment variables, which take precedence.
        task_root: The folder that the handler is imported from.
    """

    name: str = "function"
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
        """Return the environment variables of an execution environment.

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


class StartableFunction(Function, Protocol):
    """A function that serves one invocation at a time and can be started before the first."""

    def start(self) -> None:
        """Import the handler; raises `FunctionError` if that fails."""

    def kill(self) -> None:
        """Make the invocation in progress fail; may be called by another thread."""


class FunctionPool:
    """A function that scales as Lambda does: one environment per concurrent invocation.

    Environments stay warm, and the most recently used is used first. A crash affects only its own.

    Args:
        new_environment: Creates an execution environment.
    """

    def __init__(self, new_environment: Callable[[], StartableFunction]) -> None:
        self._new_environment = new_environment
        self._warm: list[StartableFunction] = []
        self._busy: list[StartableFunction] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start one environment, to see early whether the function starts at all.

        Raises:
            FunctionError: It does not start.
        """
        with self._environment() as environment:
            environment.start()

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`."""
        with self._environment() as environment:
            return environment.invoke(payload)

    def close(self) -> None:
        """Close every environment, and kill those that still serve an invocation."""
        with self._lock:
            for environment in self._busy:
                environment.kill()
            for environment in self._warm:
                environment.close()
            self._warm.clear()

    @contextlib.contextmanager
    def _environment(self) -> Iterator[StartableFunction]:
        with self._lock:
            environment = self._warm.pop() if self._warm else self._new_environment()
            self._busy.append(environment)
        try:
            yield environment
        finally:
            with self._lock:
                self._busy.remove(environment)
                self._warm.append(environment)


class MonitoredFunction:
    """A function that knows its invocations in progress.

    Args:
        function: What is invoked.
        clock: Monotonic seconds.
    """

    def __init__(self, function: Function, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._function = function
        self._clock = clock
        self._started: dict[object, float] = {}

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`."""
        invocation = object()
        self._started[invocation] = self._clock()
        try:
            return self._function.invoke(payload)
        finally:
            del self._started[invocation]

    def close(self) -> None:
        """See `Function`."""
        self._function.close()

    def in_progress(self) -> list[float]:
        """Return for how many seconds each invocation in progress has run, the longest first."""
        now = self._clock()
        return [now - started for started in list(self._started.values())]
