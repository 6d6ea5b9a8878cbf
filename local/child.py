"""The function's process and the connection to it."""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.processes import start_process, stop_process

if TYPE_CHECKING:
    from subprocess import Popen

PROJECT = Path(__file__).resolve().parent.parent


class Child:
    """A process that runs `local.runtime`, and a connection that breaks when the process ends.

    The end of a process closes its end of a connection only if it left no process of its own that
    still holds it. So this process keeps that end open too, and shuts it down.
    """

    def __init__(
        self, process: "Popen[bytes]", connection: Connection, its_end: socket.socket
    ) -> None:
        self.process = process
        self._connection = connection
        self._its_end = its_end
        self._watch = threading.Thread(target=self._hang_up, name="function-ended", daemon=True)
        self._watch.start()

    @classmethod
    def start(cls, environment: Mapping[str, str], log: Path) -> Self:
        """Start the process.

        Args:
            environment: All of its environment variables.
            log: The file that gets what it prints.
        """
        ours, its_end = socket.socketpair()
        process = start_process(
            [sys.executable, "-m", "local.runtime", str(its_end.fileno())],
            log=log,
            environment=environment,
            directory=PROJECT,
            keep_open=[its_end.fileno()],
        )
        return cls(process, Connection(ours.detach()), its_end)

    def exchange(self, messages: Iterable[bytes]) -> tuple[bytes, bytes]:
        """Send messages and wait for one, its kind and its body.

        Raises:
            EOFError: The process has ended.
            OSError: The same.
        """
        for message in messages:
            self._connection.send_bytes(message)
        return self._connection.recv_bytes(), self._connection.recv_bytes()

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        stop_process(self.process)
        self._watch.join()

    def _hang_up(self) -> None:
        self.process.wait()
        with self._its_end, contextlib.suppress(OSError):  # nobody may be there any more
            # What the process has sent before can still be received.
            self._its_end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def killed_after(seconds: float, process: "Popen[bytes]") -> Iterator[threading.Event]:
    """Kill a process unless the context ends in time; the event says whether that was needed."""
    overdue = threading.Event()

    def kill() -> None:
        overdue.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()
        timer.join()
