"""Files that are read while they are being written."""

import contextlib
import os
from pathlib import Path

UNFINISHED = ".tmp"
"""Suffix of a file that is still being written."""


def write_atomically(path: Path, content: bytes, unfinished: Path | None = None) -> None:
    """Write a file so that no reader sees half of it; create its folder if necessary.

    Args:
        path: The file.
        content: All of it.
        unfinished: Where it is written first, on the same file system; by default beside it.

    Raises:
        OSError: It could not be written; a previous file is unchanged.
    """
    unfinished = unfinished or path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        for folder in (path.parent, unfinished.parent):
            folder.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        if error.filename is None:  # as on a full disk
            error.filename = str(path)
        raise
