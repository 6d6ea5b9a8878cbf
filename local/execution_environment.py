"""An execution environment: a child process that serves one invocation at a time."""

import contextlib
import json
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local import runtime
from local.errors import FunctionError
from local.function import FunctionConfiguration
from local.processes import start_process, stop_process

if TYPE_CHECKING:
    from subprocess import Popen

INIT_SECONDS = 60.0
"""Time limit for the import. Lambda allows 10 s, but on faster disks than a laptop's."""


class ExecutionEnvironment:
    """A function's execution environment, as at Lambda.

    Its process imports the handler once. It is started when first needed, and again after it has
    crashed or was killed because an invocation timed out.

    Args:
        configuration: The function's configuration.
        log: The file for the function's output.
        now: Seconds since the epoch; sets the deadline of an invocation.
    """

    def __init__(
        self,
        configuration: FunctionConfiguration,
        log: Path,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._configuration = configuration
        self._log = log
        self._now = now
        self._runtime: RuntimeProcess | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None if no process runs."""
        running = self._runtime
        return None if running is None else running.process.pid

    def start(self) -> None:
        """Start the process unless it runs, and wait until it has imported the handler.

        Raises:
            FunctionError: The import failed.
        """
        self._started()

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`; must not be called by several threads at once."""
        running = self._started()
        seconds = self._configuration.timeout_seconds
        invocation = {
            "request_id": str(uuid.uuid4()),
            "deadline_ms": (self._now() + seconds) * 1000,
            "function_arn": self._configuration.arn,
        }
        kind, body = self._exchange(running, seconds, json.dumps(invocation).encode(), payload)
        if kind != runtime.RESPONSE:
            raise FunctionError.from_object(json.loads(body))
        return body

    def kill(self) -> None:
        """See `StartableFunction`."""
        if (running := self._runtime) is not None:
            running.process.kill()

    def close(self) -> None:
        """Stop the process."""
        if self._runtime is not None:
            self._runtime.stop()
            self._runtime = None

    def _started(self) -> "RuntimeProcess":
        if self._runtime is None:
            running = RuntimeProcess.start(self._configuration.variables(), self._log)
            self._runtime = running
            kind, body = self._exchange(running, INIT_SECONDS)
            if kind != runtime.READY:
                self.close()
                raise FunctionError.from_object(json.loads(body))
        return self._runtime

    def _exchange(
        self, running: "RuntimeProcess", seconds: float, *messages: bytes
    ) -> tuple[bytes, bytes]:
        reply = None
        with (
            killed_after(seconds, running.process) as timed_out,
            contextlib.suppress(EOFError, OSError),
        ):
            reply = running.exchange(messages)
        if timed_out.is_set():
            self.close()
            raise FunctionError("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")
        if reply is None:
            status = running.process.wait()
            self.close()
            raise FunctionError("Runtime.ExitError", f"Runtime exited with exit status {status}")
        return reply


class RuntimeProcess:
    """A process that runs `local.runtime`, and a connection that breaks when the process ends.

    When a process ends, its end of a connection stays open if a process that it left behind holds
    it too. So this process also keeps that end, and shuts it down.
    """

    def __init__(
        self, process: "Popen[bytes]", connection: Connection, child_end: socket.socket
    ) -> None:
        self.process = process
        self._connection = connection
        self._child_end = child_end
        self._watcher = threading.Thread(target=self._watch, name="function-watcher", daemon=True)
        self._watcher.start()

    @classmethod
    def start(cls, environment: Mapping[str, str], log: Path) -> Self:
        """Start the process.

        Args:
            environment: All of its environment variables.
            log: The file for its output.
        """
        parent_end, child_end = socket.socketpair()
        process = start_process(
            [sys.executable, "-m", "local.runtime", str(child_end.fileno())],
            log=log,
            environment=environment,
            keep_open=[child_end.fileno()],
        )
        return cls(process, Connection(parent_end.detach()), child_end)

    def exchange(self, messages: Iterable[bytes]) -> tuple[bytes, bytes]:
        """Send messages and wait for the reply: its kind and its body.

        Raises:
            EOFError: The process has ended.
            OSError: The same.
        """
        for message in messages:
            self._connection.send_bytes(message)
        return self._connection.recv_bytes(), self._connection.recv_bytes()

    def stop(self) -> None:
        """Stop the process."""
        self._connection.close()
        stop_process(self.process)
        self._watcher.join()

    def _watch(self) -> None:
        self.process.wait()
        with self._child_end, contextlib.suppress(OSError):  # the peer may be closed already
            # What the process sent before it ended can still be received.
            self._child_end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def killed_after(seconds: float, process: "Popen[bytes]") -> Iterator[threading.Event]:
    """Kill a process unless the context ends in time; the event is set if it was killed."""
    timed_out = threading.Event()

    def kill() -> None:
        timed_out.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield timed_out
    finally:
        timer.cancel()
        timer.join()
