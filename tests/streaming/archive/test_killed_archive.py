"""An archive whose program is killed, wherever that is, loses no row and writes none twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from streaming.errors import StreamingError
from streaming.storage import FolderStorage
from tests.fakes.clock import Clock
from tests.streaming.archive.archive_fixtures import (
    ALARMS,
    alarm,
    archive_of,
    kinesis_of,
    machines,
    put_readings,
    values,
)
from tests.streaming.archive.killed_archive import ALARM_NUMBERS, READINGS

ROOT = Path(__file__).parent.parent.parent.parent
UNLIMITED = 10**6


class Killed(BaseException):
    """In place of a signal: no code of the archive can catch it."""


class FaultyStorage(FolderStorage):
    """A folder whose writer ends at one of its writes: before it, or with it done."""

    def __init__(self, folder: Path, write: int, *, done: bool) -> None:
        super().__init__(folder)
        self.writes = 0
        self._last = write
        self._done = done

    def put(self, name: str, content: bytes) -> None:
        self._count(lambda: FolderStorage.put(self, name, content))

    def delete(self, name: str) -> None:
        self._count(lambda: FolderStorage.delete(self, name))

    def _count(self, write: object) -> None:
        assert callable(write)
        if self.writes == self._last and not self._done:
            raise Killed
        write()
        if self.writes == self._last:
            raise Killed
        self.writes += 1


@pytest.mark.parametrize("done", [True, False])
def test_a_run_that_ends_at_any_write_is_continued_without_loss_or_duplicate(
    tmp_path: Path, *, done: bool
) -> None:
    write = 0
    while True:
        clock, folder = Clock(), tmp_path / f"{write}"
        kinesis = kinesis_of(clock)
        put_readings(kinesis, range(50))
        storage = FaultyStorage(folder, write, done=done)
        try:
            archive_of(kinesis, clock, storage).run(follow=False)
        except Killed:
            put_readings(kinesis, range(50, 60))
            archive_of(kinesis, clock, FolderStorage(folder)).run(follow=False)
            assert values(folder, "readings", "machine") == machines(range(60)), write
        else:
            break
        write += 1
    assert write > 8  # three writes a commit, and several commits


def test_a_run_that_ends_again_while_it_clears_up_is_continued(tmp_path: Path) -> None:
    clock = Clock()
    kinesis = kinesis_of(clock)
    put_readings(kinesis, range(50))
    for write in (2, 0, 1, 2, 2, 1, 3, 0, 4, UNLIMITED):
        storage = FaultyStorage(tmp_path, write, done=write % 2 == 0)
        try:
            archive_of(kinesis, clock, storage).run(follow=False)
        except Killed:
            continue
    assert values(tmp_path, "readings", "machine") == machines(range(50))


def test_killed_with_sigkill_again_and_again_it_loses_no_row_and_writes_none_twice(
    tmp_path: Path,
) -> None:
    killed = 0
    for write, moment in [
        (0, "before"),
        (1, "during"),
        (2, "before"),
        (3, "during"),
        (9, "during"),
        (UNLIMITED, "never"),
    ]:
        program = "tests.streaming.archive.killed_archive"
        run = subprocess.run(
            [sys.executable, "-m", program, str(tmp_path), str(write), moment],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
            timeout=120,
        )
        killed += run.returncode == -signal.SIGKILL
    assert (killed, run.returncode) == (5, 0), run.stderr

    assert values(tmp_path, "readings", "machine") == machines(READINGS)
    assert values(tmp_path, "readings", "event_id").most_common(1)[0][1] == 1
    events = Counter(f"shardId-000000000000:{number}" for number in ALARM_NUMBERS)
    assert values(tmp_path, "predictions", "event_id") == events


@pytest.mark.parametrize("done", [True, False])
def test_a_prediction_published_again_after_a_kill_is_no_second_row(
    tmp_path: Path, *, done: bool
) -> None:
    for write in range(6):
        clock, folder = Clock(), tmp_path / f"{write}"
        kinesis = kinesis_of(clock)
        kinesis.put(ALARMS, "1", *map(alarm, range(25)))
        storage = FaultyStorage(folder, write, done=done)
        with pytest.raises(Killed):
            archive_of(kinesis, clock, storage, stream=ALARMS).run(follow=False)
        kinesis.put(ALARMS, "1", *map(alarm, range(30)))

        last = archive_of(kinesis, clock, FolderStorage(folder), stream=ALARMS)
        last.run(follow=False)

        events = values(folder, "predictions", "event_id")
        assert events == Counter(f"shardId-000000000000:{number}" for number in range(30))


def test_an_archive_that_cannot_be_written_says_so_and_goes_on_the_next_time(
    tmp_path: Path,
) -> None:
    clock = Clock()
    kinesis = kinesis_of(clock)
    put_readings(kinesis, range(50))
    (tmp_path / "readings").write_text("a file where a folder must be")
    with pytest.raises(StreamingError, match=r"cannot write .*readings"):
        archive_of(kinesis, clock, FolderStorage(tmp_path)).run(follow=False)

    (tmp_path / "readings").unlink()
    archive_of(kinesis, clock, FolderStorage(tmp_path)).run(follow=False)

    assert values(tmp_path, "readings", "machine") == machines(range(50))
