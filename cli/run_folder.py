"""A folder for the files of one run."""

import itertools
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from local.errors import LocalError

LEAST_FREE_BYTES = 1024 * 1024
"""With less, a log or a dead-letter record may be lost."""


class RunFolderError(LocalError):
    """A run has nowhere to write its files."""


def create_run_folder(
    parent: Path, suffix: str = "", *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Path:
    """Create a folder that no other run has, named by the time: two runs may start in one second.

    Args:
        parent: Created unless it exists.
        suffix: Of the folder's name.
        now: The time of day.

    Raises:
        RunFolderError: It cannot be created, or the disk is full.
    """
    name = f"{now():%Y%m%dT%H%M%SZ}{suffix}"
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError as error:
            if not folder.is_dir():  # a file stands where the folder or its parent should be
                raise _unusable(folder, error) from error
        except OSError as error:
            raise _unusable(folder, error) from error
    require_space(folder)
    return folder


def require_space(folder: Path) -> None:
    """Raise a RunFolderError if a folder's disk is full."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise RunFolderError(
            f"the disk of {folder} is full: {free:,} bytes are free; make room, "
            "or name a folder on another disk: FOLDER=..."
        )


def _unusable(folder: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"cannot create {folder}: {error.strerror}; name another folder: FOLDER=..."
    )
