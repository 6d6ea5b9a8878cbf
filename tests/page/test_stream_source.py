from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from page.dead_letter_view import DeadLetters
from page.live_rides import LiveRides
from page.stream_source import DeadLetterPoll, StreamCounts, StreamThreads
from streaming import StreamError
from streaming.storage import FolderStorage
from tests.fakes.kinesis import FakeKinesis
from tests.page.ride_stream import CHALLENGER, PREDICTIONS, RIDES, ended, predicted, record, started

if TYPE_CHECKING:
    from pathlib import Path

    from streaming import StreamRecord
    from tests.fakes.clock import Clock


def test_what_is_read_is_counted(clock: Clock) -> None:
    live = LiveRides(PREDICTIONS, clock.now)
    counts = StreamCounts(live, None, clock.now)
    taps = counts.taps(RIDES, [PREDICTIONS, CHALLENGER])
    counts.figures(0)
    clock.advance(2.0)
    for ride in range(10):
        taps[RIDES](started(ride))
        taps[PREDICTIONS](predicted(ride))
        taps[CHALLENGER](predicted(ride))
    taps[RIDES](ended(1))
    taps[PREDICTIONS](record(b"no prediction"))

    figures = counts.figures(duplicates=3)
    assert (figures.rides_in, figures.predictions_out, figures.ended) == (10, 10, 1)
    assert (figures.in_per_second, figures.out_per_second) == (5.0, 5.0)
    assert (figures.p50, figures.p99) == (250.0, 250.0)
    assert (figures.duplicates, figures.dead_lettered, figures.iterator_age) == (3, None, None)


def test_each_stream_is_read_from_now_on_until_it_is_stopped(clock: Clock) -> None:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName=RIDES, ShardCount=2)
    kinesis.put_record(StreamName=RIDES, PartitionKey="before", Data=b"{}")
    seen: list[str] = []
    enough = threading.Event()

    def tap(found: StreamRecord) -> None:
        seen.append(found.partition_key)
        if len(seen) == 2:
            enough.set()

    threads = StreamThreads(kinesis, {RIDES: tap})
    threads.open()
    for key in ("1", "2"):
        kinesis.put_record(StreamName=RIDES, PartitionKey=key, Data=b"{}")
    threads.start()
    assert enough.wait(60)
    threads.stop()

    assert sorted(seen) == ["1", "2"]
    assert threads.failure() is None


def test_a_stream_that_cannot_be_read_is_said(clock: Clock) -> None:
    threads = StreamThreads(FakeKinesis(clock), {RIDES: lambda _: None})

    with pytest.raises(StreamError, match=RIDES):
        threads.open()
    threads.start()
    failed = threads.failure()
    while failed is None:
        failed = threads.failure()
    threads.stop()
    assert RIDES in failed


def dead_letters(folder: Path, day: str, name: str, *reasons: str) -> None:
    place = folder / RIDES / day
    place.mkdir(parents=True, exist_ok=True)
    lines = (
        {
            "data": "e30=",
            "event_id": f"shardId-000000000000:{number}",
            "stream": RIDES,
            "shard_id": "shardId-000000000000",
            "sequence_number": str(number),
            "partition_key": "1",
            "arrived_at": "2025-03-01T13:15:00.000Z",
            "error_type": reason,
            "error_message": "",
        }
        for number, reason in enumerate(reasons)
    )
    (place / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def poll(folder: Path, found: DeadLetters, clock: Clock) -> DeadLetterPoll:
    def open_day(day: str) -> FolderStorage | None:
        return FolderStorage(folder / day) if (folder / day).is_dir() else None

    return DeadLetterPoll(open_day, RIDES, found, clock.utc)


def test_todays_dead_letters_are_read_once(tmp_path: Path, clock: Clock) -> None:
    found = DeadLetters()
    dead_letters(tmp_path, "2025/02/28", "old.jsonl", "TooOld")
    dead_letters(tmp_path, "2025/03/01", "a.jsonl", "InvalidEvent", "CorruptRecord")
    (tmp_path / RIDES / "2025/03/01/b.jsonl").write_text("another program's\n")
    reader = poll(tmp_path, found, clock)

    reader.poll()
    reader.poll()
    assert dict(found.shown()["reasons"]) == {"InvalidEvent": 1, "CorruptRecord": 1}

    clock.advance(24 * 3600)
    dead_letters(tmp_path, "2025/03/02", "a.jsonl", "InvalidEvent")
    reader.poll()
    assert dict(found.shown()["reasons"]) == {"InvalidEvent": 2, "CorruptRecord": 1}


def test_many_objects_are_read_in_several_goes(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("page.stream_source.MOST_OBJECTS", 2)
    found = DeadLetters()
    for number in range(5):
        dead_letters(tmp_path, "2025/03/01", f"{number}.jsonl", "InvalidEvent")
    reader = poll(tmp_path, found, clock)

    counts: list[Any] = []
    for _ in range(4):
        reader.poll()
        counts.append(found.count)
    assert counts == [2, 4, 5, 5]


def test_a_day_without_dead_letters_is_no_failure(tmp_path: Path, clock: Clock) -> None:
    found = DeadLetters()
    poll(tmp_path, found, clock).poll()

    assert found.count == 0
