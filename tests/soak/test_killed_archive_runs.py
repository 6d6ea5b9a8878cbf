"""The soak's look at the archive finds what is wrong with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from lifecycle.ride_tables import EVENTS, PREDICTIONS
from streaming.archive.archive_state import archive_folder
from streaming.archive.stream_archive import StreamArchive
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.lambda_events import ride
from tests.soak.killed_archive_runs import ArchiveCheck, KilledArchive, compared
from tests.soak.reconciliation import Expected, StoredRecord
from tests.soak.workload import DeadLettered

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED = {("s:1", "m"), ("s:2", "m"), ("s:2", "n")}
EXPECTED = Expected(
    rides={"s:1": 1, "s:2": 2}, poison={"s:3": DeadLettered("not JSON", b"x")}, unrecognised=1
)
PREDICTION = (
    b'{"event_type": "ride_predicted", "event_id": "s:1", "model": "m", "version": "1",'
    b' "prediction": {"ride_id": 1, "ride_duration": 9.5}, "arrived_at": "2025-03-01T13:15:00Z"}'
)


def check(
    predictions: dict[tuple[str, ...], int] | None = None, events: dict[str, int] | None = None
) -> ArchiveCheck:
    whole = Counter(dict.fromkeys(PUBLISHED, 1))
    of_events = Counter({"s:1": 1, "s:2": 1, "s:3": 1, "s:4": 1})
    return compared(
        PUBLISHED,
        Counter(whole if predictions is None else predictions),
        EXPECTED,
        Counter(of_events if events is None else events),
    )


def test_an_archive_with_everything_once_passes() -> None:
    assert check() == ArchiveCheck(predictions=3, events=4, lost=0, twice=0, unknown=0)
    assert check().passed


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ({"predictions": {("s:1", "m"): 1, ("s:2", "m"): 1}}, "lost"),
        ({"predictions": {("s:1", "m"): 2, ("s:2", "m"): 1, ("s:2", "n"): 1}}, "twice"),
        ({"predictions": dict.fromkeys([*PUBLISHED, ("s:9", "m")], 1)}, "unknown"),
        ({"events": {"s:1": 1, "s:2": 1, "s:4": 1}}, "lost"),
        ({"events": {"s:1": 1, "s:2": 1, "s:3": 1}}, "lost"),
        ({"events": {"s:1": 1, "s:2": 1, "s:3": 2, "s:4": 1}}, "twice"),
        ({"events": {"s:1": 1, "s:2": 1, "s:3": 1, "s:4": 1, "s:5": 1}}, "unknown"),
    ],
)
def test_a_row_that_is_lost_written_twice_or_unknown_is_found(
    rows: dict[str, Any], wrong: str
) -> None:
    found = check(**rows)

    assert {name: getattr(found, name) for name in ("lost", "twice", "unknown")} == {
        **dict.fromkeys(("lost", "twice", "unknown"), 0),
        wrong: 1,
    }
    assert not found.passed


def test_the_rows_of_a_real_archive_are_compared(tmp_path: Path) -> None:
    clock = Clock()
    kinesis = FakeKinesis(clock)
    for stream in ("ride_events", "ride_predictions"):
        kinesis.create_stream(StreamName=stream, ShardCount=1)
    kinesis.put("ride_events", "1", ride(1), b"poison", b'{"event_type": "other"}')
    kinesis.put("ride_predictions", "1", PREDICTION, PREDICTION)
    for stream, tables in (("ride_events", EVENTS), ("ride_predictions", PREDICTIONS)):
        storage = archive_folder(tmp_path, stream)
        archive = StreamArchive(
            kinesis, stream, tables, storage, clock=clock.now, sleep=clock.sleep
        )
        archive.run(follow=False)
    shard = "shardId-000000000000"
    first, second = (
        record["SequenceNumber"]
        for record in kinesis.get_records(
            ShardIterator=kinesis.get_shard_iterator(
                StreamName="ride_events", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"],
            Limit=2,
        )["Records"]
    )
    expected = Expected(
        rides={f"{shard}:{first}": 1},
        poison={f"{shard}:{second}": DeadLettered("not JSON", b"poison")},
        unrecognised=1,
    )

    runs = KilledArchive(tmp_path, tmp_path / "log", seed=1)
    found = runs.check(expected, [StoredRecord(shard, "1", PREDICTION)] * 2)

    assert found == ArchiveCheck(predictions=1, events=3, lost=0, twice=0, unknown=0)
