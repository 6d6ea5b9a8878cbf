import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.program import program, stop_on_signal

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 30

PROGRAM = """
import signal
from cli.program import program

{body}
"""


def run(
    folder: Path, body: str, *, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run a program of one module, the way that `python -m scripts` does."""
    (folder / "example.py").write_text(PROGRAM.format(body=body))
    return subprocess.run(
        [sys.executable, "-c", "from cli.program import run_program; run_program('example')"],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_the_exit_status_is_what_main_returns(tmp_path: Path) -> None:
    done = run(tmp_path, "def main(): print('done'); return 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")


def test_ctrl_c_during_the_imports_prints_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "signal.raise_signal(signal.SIGINT)")
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_in_main_is_status_130(tmp_path: Path) -> None:
    done = run(tmp_path, "@program()\ndef main(): signal.raise_signal(signal.SIGINT)")
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("printed", ["print('x')", "print('x', flush=True)"])
def test_output_that_nobody_reads_is_dropped_but_a_failure_stays_one(
    tmp_path: Path, printed: str, closed_pipe: int
) -> None:
    done = run(tmp_path, f"@program(OSError)\ndef main(): {printed}; return 1", stdout=closed_pipe)
    assert (done.returncode, done.stderr) == (1, "")


def test_help_that_nobody_reads_is_dropped(tmp_path: Path, closed_pipe: int) -> None:
    body = "@program()\ndef main(): print('x'); raise SystemExit(0)"
    done = run(tmp_path, body, stdout=closed_pipe)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_named_error_is_one_line_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    @program(KeyError, ValueError, status=2)
    def main() -> int:
        raise ValueError("too large\n\x1b[2J")

    assert main() == 2
    assert capsys.readouterr().err == "error: too large\\n\\u001b[2J\n"


def test_any_other_error_is_a_bug_and_shows_its_traceback() -> None:
    @program(ValueError)
    def main() -> int:
        raise TypeError

    with pytest.raises(TypeError):
        main()


@pytest.fixture(autouse=True)
def _default_interrupt() -> Iterator[None]:
    """A shell that starts pytest in the background has it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_requests_a_stop(number: signal.Signals) -> None:
    stops: list[None] = []
    before = signal.getsignal(number)
    with stop_on_signal(lambda: stops.append(None)):
        signal.raise_signal(number)
    assert len(stops) == 1
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_after_another_signal_does_not_wait(first: signal.Signals) -> None:
    with stop_on_signal(lambda: None):
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_may_come_twice() -> None:
    stops: list[None] = []
    with stop_on_signal(lambda: stops.append(None), signal.SIGHUP):
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)
    assert len(stops) == 3


def test_sigterm_in_main_is_like_ctrl_c_and_may_come_twice(tmp_path: Path) -> None:
    body = """
@program()
def main():
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGTERM)
        print("stopped what it started")
"""
    done = run(tmp_path, body)
    assert (done.returncode, done.stdout, done.stderr) == (130, "stopped what it started\n", "")


def test_ctrl_c_while_threads_end_prints_nothing(tmp_path: Path) -> None:
    body = """
import atexit
def main():
    atexit.register(signal.raise_signal, signal.SIGINT)
    return 0
"""
    done = run(tmp_path, body)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
