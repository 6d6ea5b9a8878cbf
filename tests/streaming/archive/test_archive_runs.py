"""Runs of an archive whose storage is unavailable for a time, and what is counted over several."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streaming.archive.archive_state import archive_folder
from streaming.archive.stream_archive import Limits, StreamArchive
from streaming.errors import StorageUnavailable
from streaming.retries import backoff
from streaming.storage import FolderStorage
from tests.streaming.archive.archive_fixtures import (
    ALARMS,
    alarm,
    archive_of,
    archived,
    files,
    machines,
    put_readings,
    values,
)

if TYPE_CHECKING:
    from tests.fakes.clock import Clock
    from tests.fakes.kinesis import FakeKinesis


def test_a_storage_that_is_unavailable_is_tried_again(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    class Throttled(FolderStorage):
        calls = 0

        def put(self, name: str, content: bytes) -> None:
            self.calls += 1
            if self.calls % 3:
                raise StorageUnavailable("slow down")
            super().put(name, content)

    put_readings(kinesis, range(50))

    archive_of(kinesis, clock, Throttled(tmp_path)).run(follow=False)

    assert values(tmp_path, "readings", "machine") == machines(range(50))


def test_while_a_storage_is_unavailable_it_is_tried_less_and_less_often(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = 4

    class Throttled(FolderStorage):
        def read(self, name: str) -> bytes:
            nonlocal left
            left -= 1
            if left >= 0:
                raise StorageUnavailable("slow down")
            return super().read(name)

    archive_of(kinesis, clock, Throttled(tmp_path)).run(follow=False)

    assert clock.sleeps[:4] == [backoff(attempt, lambda: 0.5) for attempt in range(4)]
    assert caplog.messages[:4] == ["slow down; retrying"] * 4


def test_an_archive_that_is_stopped_does_not_wait_for_a_storage(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    class Unavailable(FolderStorage):
        def read(self, name: str) -> bytes:
            raise StorageUnavailable(f"no {name}")

    archive = archive_of(kinesis, clock, Unavailable(Path("unused")), sleep=None)
    archive.stop()

    with pytest.raises(StorageUnavailable, match=r"no _state/readings\.json"):
        archive.run()


def test_a_stream_that_is_throttled_is_read_again(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    put_readings(kinesis, range(50))
    kinesis.fail("get_records", *["ProvisionedThroughputExceededException"] * 5)

    archived(kinesis, clock, tmp_path)

    assert values(tmp_path, "readings", "machine") == machines(range(50))


def test_what_is_read_is_remembered_although_there_was_nothing_to_write(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    state = tmp_path / "_state" / "alarms.json"
    kinesis.put(ALARMS, "1", alarm(1))
    archived(kinesis, clock, tmp_path, stream=ALARMS)
    first, written = json.loads(state.read_bytes()), files(tmp_path)
    kinesis.put(ALARMS, "1", alarm(1))

    archived(kinesis, clock, tmp_path, stream=ALARMS)

    second = json.loads(state.read_bytes())
    assert files(tmp_path) == written
    assert second["position"] != first["position"]
    assert (first["commits"], second["commits"]) == (1, 2)
    assert second["recent"] == first["recent"]


def test_rows_and_duplicates_are_counted_at_each_commit_and_over_several_runs(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    counts: list[tuple[int, int]] = []
    archive: StreamArchive = archive_of(
        kinesis,
        clock,
        archive_folder(tmp_path, ALARMS),
        stream=ALARMS,
        limits=Limits(rows=2, seconds=1e9),
        committed=lambda _: counts.append((archive.rows["predictions"], archive.duplicates)),
    )
    kinesis.put(ALARMS, "1", *map(alarm, (1, 1, 2, 2, 3, 4)))
    archive.run(follow=False)
    kinesis.put(ALARMS, "1", *map(alarm, (4, 5, 5, 6, 6)))
    archive.run(follow=False)

    assert counts == [(2, 1), (4, 2), (6, 4), (6, 5)]


def test_a_commit_reports_the_rows_of_all_hours(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    commits: list[Counter[str]] = []
    for number in range(6):
        kinesis.put(ALARMS, "1", alarm(number))
        clock.advance(1800)

    archived(kinesis, clock, tmp_path, stream=ALARMS, committed=commits.append)

    assert commits == [Counter(predictions=6)]
    assert len(files(tmp_path)) == 3  # an hour has two
