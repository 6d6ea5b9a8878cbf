"""Processes in which contenders run, each its own, so that none sees another's imports.

A worker calls functions of this package by name, and gives back what they return. Run as
`python -m benchmarks.workers <file descriptor>`.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from local.processes import exit_with_parent, start_process, stop_process

ROOT = Path(__file__).resolve().parent.parent


class Worker:
    """A process that waits for work.

    Args:
        connection: To it.
    """

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function there and wait for what it returns.

        Args:
            function: `module.function`.
            arguments: What it takes; they and the result are pickled.

        Raises:
            EOFError: The process has ended; its log says why.
        """
        self._connection.send((function, arguments))
        return self._connection.recv()


@contextmanager
def open_worker(log: Path, environment: Mapping[str, str]) -> Iterator[Worker]:
    """Start a worker, and end it with the context.

    Args:
        log: The file that gets what it prints.
        environment: Variables on top of this process's own.
    """
    ours, theirs = Pipe()
    with theirs:
        process = start_process(
            [sys.executable, "-m", "benchmarks.workers", str(theirs.fileno())],
            log=log,
            environment={**os.environ, **environment},
            directory=ROOT,
            keep_open=[theirs.fileno()],
        )
    try:
        yield Worker(ours)
    finally:
        ours.close()
        stop_process(process)


def main() -> None:
    """Work until the parent process closes its end."""
    exit_with_parent()
    connection = Connection(int(sys.argv[1]))
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        module, _, name = function.rpartition(".")
        connection.send(getattr(import_module(module), name)(*arguments))


if __name__ == "__main__":
    main()
