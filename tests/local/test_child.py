import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.child import Child, killed_after

HANDLER = {"_HANDLER": "tests.local.handlers.misbehave", "LAMBDA_TASK_ROOT": "."}


def test_what_a_process_said_before_its_end_still_arrives(tmp_path: Path) -> None:
    child = Child.start({**os.environ, **HANDLER, "_HANDLER": "nothing"}, tmp_path / "log")
    child.process.wait()

    kind, body = child.exchange([])
    with pytest.raises(EOFError):
        child.exchange([])
    child.stop()

    assert (kind, b"MalformedHandlerName" in body) == (b"error", True)


def test_a_process_that_has_ended_takes_no_message(tmp_path: Path) -> None:
    child = Child.start({**os.environ, **HANDLER, "_HANDLER": "nothing"}, tmp_path / "log")
    child.process.wait()

    with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
        child.exchange([b"{}"] * 1000)
    child.stop()


def test_a_process_is_killed_only_when_its_time_is_up() -> None:
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(program) as process:
        with killed_after(60.0, process) as overdue:
            pass
        assert process.poll() is None
        assert not overdue.is_set()
        with killed_after(0.0, process) as overdue:
            assert process.wait(20) == -9
        assert overdue.is_set()
