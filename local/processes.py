"""Child processes that never outlive this one, however it ends.

A child's standard input is a pipe that only its parent holds open. When the parent closes it, or
ends, the child's read returns and the child ends too: even `kill -9` leaves no orphaned process.
"""

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CHUNK_BYTES = 1024


def start_process(
    arguments: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    directory: Path = PROJECT,
    keep_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program that calls `exit_with_parent`, in its own session.

    In its own session it does not get a terminal's Ctrl-C: the parent decides when it ends.

    Args:
        arguments: The command line.
        log: The file that the program's output is appended to. Its folder is created.
        environment: All of the program's environment variables.
        directory: The program's working directory.
        keep_open: File descriptors that the program inherits.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  the command line is the caller's own, no shell
            arguments,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            pass_fds=keep_open,
            start_new_session=True,
        )


def stop_process(process: subprocess.Popen[bytes], grace_seconds: float = 2.0) -> int:
    """Let a child end, kill it if it does not, and return its exit status.

    Args:
        process: What `start_process` returned.
        grace_seconds: How long it may take to end.
    """
    if process.stdin is not None:
        process.stdin.close()
    try:
        return process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def exit_with_parent() -> None:
    """End this process, a child, as soon as its standard input ends."""
    threading.Thread(target=_exit_at_end_of_input, name="exit-with-parent", daemon=True).start()


def _exit_at_end_of_input() -> None:
    while os.read(0, CHUNK_BYTES):
        continue
    # sys.exit would end only this thread.
    os._exit(0)


def last_line(log: Path) -> str:
    """Return the last line a program printed, to show why it ended."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "no output"
