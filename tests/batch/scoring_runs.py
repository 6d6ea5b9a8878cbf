"""`make score` in processes that a test may kill at any moment, without starting Python for each.

One process has imported all that a run needs, and forks for every run. The run is the program's
own `main`, in a process group of its own, as a shell would start it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]

# Nothing may have threads before a fork; what a run imports by itself is imported here.
SERVER = """
import json, os, pkgutil, signal, sys, threading
import batch.postgresql_database, model_columns
from scripts.score import main

for line in sys.stdin:
    assert threading.active_count() == 1
    child = os.fork()
    if not child:
        os.setsid()
        print(os.getpid(), flush=True)
        with open(os.devnull, "wb") as quiet:
            os.dup2(quiet.fileno(), 1)
        arguments, holder, name = json.loads(line)
        if holder:
            setattr(pkgutil.resolve_name(holder), name, lambda *_: os.killpg(0, signal.SIGKILL))
        os._exit(main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Run:
    """A run that has begun.

    Args:
        lines: What the server says of it: its process id, and when it has ended, its exit status.
            Not buffered, else `select` would not see a line that was read ahead.
    """

    def __init__(self, lines: IO[bytes]) -> None:
        self._lines = lines
        self.pid = int(lines.readline())
        self.status: int | None = None

    def wait(self, seconds: float | None = None) -> int | None:
        """Return its exit status; None if it goes on after some seconds."""
        if self.status is None and select.select([self._lines], [], [], seconds)[0]:
            self.status = int(self._lines.readline())
        return self.status

    def kill(self) -> None:
        """Kill its process group, and wait until it has ended."""
        if self.wait(0) is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()


class ScoringRuns:
    """Starts runs, one at a time."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def start(self, arguments: Sequence[str], kill_at: tuple[str, str] = ("", "")) -> Run:
        """Start a run; the one before has ended.

        Args:
            arguments: Of the program.
            kill_at: A module or class, and the function of it where the run kills itself.
        """
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps([arguments, *kill_at]).encode() + b"\n")
        return Run(self._server.stdout)

    def stop(self) -> None:
        """End the process that forks."""
        self._server.communicate()
