"""SIGTERM to a soak: every process that it started ends with it."""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
PROCESSES = 4
"""The embedded Kinesis, the proxy, and at least two execution environments of the function."""


def descendants(process: int) -> set[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    children: dict[int, list[int]] = defaultdict(list)
    for line in listed.stdout.splitlines():
        child, parent = map(int, line.split())
        children[parent].append(child)
    found, todo = set[int](), [process]
    while todo:
        new = children[todo.pop()]
        found.update(new)
        todo += new
    return found


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", "-m", "tests.soak", "--rate", "50", "--folder", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process
        for each in {process.pid, *descendants(process.pid)}:
            if process.poll() is None:
                os.kill(each, signal.SIGKILL)


def test_sigterm_to_a_soak_leaves_no_process(soak: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(started := descendants(soak.pid)) < PROCESSES:
        assert soak.poll() is None
        assert time.monotonic() < deadline, started
        time.sleep(0.05)

    soak.terminate()
    output, _ = soak.communicate(timeout=DEADLINE_SECONDS)

    assert soak.returncode == 130, output
    assert [process for process in started if is_running(process)] == []
