"""Files that others read while they appear."""

import contextlib
import os
from pathlib import Path

UNFINISHED = ".tmp"
"""The end of a file's name while it is being written."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of which no reader ever sees only a half; its folder is made when needed.

    Raises:
        OSError: It could not be written; what was there before is still there.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
