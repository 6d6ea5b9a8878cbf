"""A program that archives a stream and is killed with SIGKILL at a chosen write.

    python -m tests.streaming.archive.killed_archive FOLDER WRITE MOMENT

WRITE counts the puts and deletes of this run from 0; MOMENT is `before` or `during`. The stream is
the same in each run.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from streaming.archive.archive_state import archive_folder
from streaming.storage import FolderStorage
from tests.fakes.clock import Clock
from tests.streaming.archive.archive_fixtures import (
    ALARMS,
    STREAM,
    alarm,
    archive_of,
    kinesis_of,
    put_readings,
)

READINGS = range(120)
ALARM_NUMBERS = range(90)


def kill(*_arguments: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


class KillingStorage(FolderStorage):
    """A folder whose writer is killed."""

    def __init__(self, folder: Path, stream: str, left: list[str], moment: str) -> None:
        super().__init__(folder, archive_folder(folder, stream)._unfinished)
        self._left = left
        self._moment = moment

    def put(self, name: str, content: bytes) -> None:
        if self._is_last():
            if self._moment == "before":
                kill()
            # Its content is written then, but it has no name yet.
            Path.replace = kill  # type: ignore[assignment,method-assign]
        super().put(name, content)

    def delete(self, name: str) -> None:
        if self._is_last():
            kill()
        super().delete(name)

    def _is_last(self) -> bool:
        if not self._left:
            return True
        self._left.pop()
        return False


def main(folder: str, write: str, moment: str) -> None:
    clock = Clock()
    kinesis = kinesis_of(clock)
    put_readings(kinesis, READINGS)
    for number in ALARM_NUMBERS:
        kinesis.put(ALARMS, str(number), alarm(number))
        if number % 4 == 0:  # published again, later
            kinesis.put(ALARMS, str(number), alarm(number // 2))
    left = ["write"] * int(write)
    for stream in (STREAM, ALARMS):
        storage = KillingStorage(Path(folder), stream, left, moment)
        archive_of(kinesis, clock, storage, stream=stream).run(follow=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
