"""Several streams are archived at once, and one that fails ends the others."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from streaming.archive.archive_state import archive_folder
from streaming.archive.archive_threads import ArchiveThreads
from streaming.archive.stream_archive import Limits
from streaming.errors import StreamError
from tests.streaming.archive.archive_fixtures import (
    ALARMS,
    STREAM,
    alarm,
    archive_of,
    kinesis_of,
    machines,
    put_readings,
    reading,
    rows_in,
    values,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.clock import Clock
    from tests.fakes.kinesis import FakeKinesis


def threads_of(kinesis: FakeKinesis, clock: Clock, folder: Path, **options: object) -> list[object]:
    """Return an archive of each stream whose waits end when it is stopped."""
    return [
        archive_of(
            kinesis, clock, archive_folder(folder, stream), stream=stream, sleep=None, **options
        )
        for stream in (STREAM, ALARMS)
    ]


def test_both_streams_are_archived_also_what_came_last(clock: Clock, tmp_path: Path) -> None:
    kinesis = kinesis_of(clock)
    threads = ArchiveThreads(threads_of(kinesis, clock, tmp_path))  # type: ignore[arg-type]
    put_readings(kinesis, range(30))
    threads.start()
    put_readings(kinesis, range(30, 60))
    kinesis.put(ALARMS, "1", *map(alarm, range(10)))

    threads.finish()

    assert values(tmp_path, "readings", "machine") == machines(range(60))
    assert len(rows_in(tmp_path, "predictions")) == 10


def test_what_comes_after_the_start_is_archived_without_a_stop(
    clock: Clock, tmp_path: Path
) -> None:
    kinesis = kinesis_of(clock)
    commits: queue.Queue[Counter[str]] = queue.Queue()
    threads = ArchiveThreads(
        threads_of(kinesis, clock, tmp_path, limits=Limits(rows=1), committed=commits.put)  # type: ignore[arg-type]
    )
    threads.start()
    try:
        for number in range(3):
            kinesis.put(STREAM, "key", reading(number))
            assert commits.get(timeout=30) == Counter(readings=1)
    finally:
        threads.stop()
    threads.join()


def test_a_thread_has_its_streams_name_and_does_not_keep_the_program_from_ending(
    clock: Clock, tmp_path: Path
) -> None:
    threads = ArchiveThreads(threads_of(kinesis_of(clock), clock, tmp_path))  # type: ignore[arg-type]
    before = set(threading.enumerate())
    threads.start()
    started = {thread.name: thread.daemon for thread in set(threading.enumerate()) - before}
    threads.stop()
    threads.join()

    assert started == {STREAM: True, ALARMS: True}


def test_a_stop_before_a_thread_runs_is_not_forgotten(clock: Clock, tmp_path: Path) -> None:
    threads = ArchiveThreads(threads_of(kinesis_of(clock), clock, tmp_path))  # type: ignore[arg-type]
    threads.stop()
    threads.start()

    threads.join()

    assert threads.failure is None


def test_one_that_fails_ends_the_others_and_is_raised(clock: Clock, tmp_path: Path) -> None:
    kinesis = kinesis_of(clock)
    kinesis.delete_stream(StreamName=ALARMS)
    failed: list[bool] = []
    threads = ArchiveThreads(
        threads_of(kinesis, clock, tmp_path),  # type: ignore[arg-type]
        lambda: failed.append(True),
    )
    threads.start()

    with pytest.raises(StreamError, match=ALARMS):
        threads.join()

    assert failed == [True]
