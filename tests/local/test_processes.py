import os
import sys
from pathlib import Path

from local.processes import last_line, start_process, stop_process

IGNORING = "import time; print('ignoring', flush=True); time.sleep(60)"
LISTENING = """
import time
from local.processes import exit_with_parent
exit_with_parent()
print('listening', flush=True)
time.sleep(60)
"""
PROJECT = Path(__file__).resolve().parents[2]


def run(program: str, log: Path) -> int:
    process = start_process(
        [sys.executable, "-c", program], log=log, environment=os.environ, directory=PROJECT
    )
    return stop_process(process, grace_seconds=0.5 if program == IGNORING else 20.0)


def test_a_process_ends_when_its_input_ends(tmp_path: Path) -> None:
    assert run(LISTENING, tmp_path / "log") == 0


def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    assert run(IGNORING, tmp_path / "log") == -9


def test_the_last_line_of_a_log_is_shown(tmp_path: Path) -> None:
    run("print('one'); print('two')", tmp_path / "logs" / "log")

    assert last_line(tmp_path / "logs" / "log") == "two"


def test_the_last_line_of_an_empty_log_says_that_there_is_no_output(tmp_path: Path) -> None:
    assert last_line(tmp_path / "log") == "no output"
