"""Runs of `python -m demo`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 60.0
UNUSABLE = {"AWS_PROFILE": "not-there", "HTTP_PROXY": "http://127.0.0.1:1"}
"""Settings that a machine may have: an embedded Kinesis must ignore them."""


class Run:
    """A run of the demo, and its output so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-u", "-m", "demo", "--folder", str(folder), *arguments]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **UNUSABLE},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read_output)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches."""
        found: list[re.Match[str]] = []

        def appeared() -> bool:
            found.extend(match for line in self.lines if (match := re.search(pattern, line)))
            return bool(found)

        wait_until(appeared, lambda: f"{pattern!r} in\n{self.lines}")
        return found[0]

    def end(self) -> int:
        """Wait for the end and return the exit status."""
        status = self.process.wait(DEADLINE_SECONDS)
        self._reader.join()
        return status

    def count(self, name: str) -> int:
        """Return a count of the summary."""
        (line,) = [line for line in self.lines if line.startswith(f"{name}  ")]
        return int(line.split()[-1].replace(",", ""))

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(line.rstrip("\n") for line in output)


def wait_until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"Timed out waiting for {what()}")
        time.sleep(0.05)
