from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from page.dead_letter_view import DeadLetters
from page.polls import DeadLetterDays, FunctionAge, Poll
from streaming.errors import StorageUnavailable
from streaming.storage import FolderStorage
from tests.fakes.kinesis import client_error
from tests.page.ride_stream import RIDES

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.fakes.clock import Clock


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


def poll(folder: Path, found: DeadLetters, clock: Clock) -> DeadLetterDays:
    def open_day(day: str) -> FolderStorage | None:
        return FolderStorage(folder / day) if (folder / day).is_dir() else None

    return DeadLetterDays(open_day, RIDES, found, clock.utc)


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
    monkeypatch.setattr("page.polls.MOST_OBJECTS", 2)
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


def test_after_a_failure_the_next_poll_reads(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    dead_letters(tmp_path, "2025/03/01", "a.jsonl", "InvalidEvent")
    found = DeadLetters()
    failures = [StorageUnavailable("cannot list s3://b/p: throttled")]

    def open_day(day: str) -> FolderStorage:
        if failures:
            raise failures.pop()
        return FolderStorage(tmp_path / day)

    reader = DeadLetterDays(open_day, RIDES, found, clock.utc)
    reader.poll()
    assert "cannot list s3://b/p: throttled; retrying" in caplog.text
    reader.poll()
    assert found.count == 1


def test_an_object_that_cannot_be_read_keeps_no_other_from_being_read(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Storage(FolderStorage):
        def read(self, name: str) -> bytes:
            if name == "a.jsonl":
                raise StorageUnavailable(f"cannot read {name}: AccessDenied")
            return super().read(name)

    for name in ("a.jsonl", "b.jsonl"):
        dead_letters(tmp_path, "2025/03/01", name, "InvalidEvent")
    found = DeadLetters()
    reader = DeadLetterDays(lambda day: Storage(tmp_path / day), RIDES, found, clock.utc)
    reader.poll()
    reader.poll()

    assert found.count == 1
    assert caplog.text.count("cannot read a.jsonl: AccessDenied; retrying") == 2


def test_a_folder_that_cannot_be_looked_at_is_no_end(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    found = DeadLetters()
    poll(tmp_path / ("x" * 300), found, clock).poll()

    assert "File name too long" in caplog.text


class CloudWatch:
    def __init__(self, *answers: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answers = list(answers)

    def get_metric_statistics(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"Datapoints": answer}


def test_the_iterator_age_is_the_newest_minutes_maximum(clock: Clock) -> None:
    points = [
        {"Timestamp": clock.utc() - timedelta(minutes=minutes), "Maximum": float(minutes)}
        for minutes in (2, 1, 3)
    ]
    client = CloudWatch(points, [])
    age = FunctionAge(client, "ride-predictions", clock.utc)
    ages = [age.milliseconds]
    for _ in range(2):
        age.poll()
        ages.append(age.milliseconds)

    assert ages == [None, 1.0, None]
    asked = client.asked[0]
    assert asked["Dimensions"] == [{"Name": "FunctionName", "Value": "ride-predictions"}]
    assert asked["EndTime"] - asked["StartTime"] == timedelta(minutes=10)


def test_an_iterator_age_that_cannot_be_read_is_not_known(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    points = [{"Timestamp": clock.utc(), "Maximum": 5.0}]
    refused = client_error("AccessDenied", "get_metric_statistics")
    age = FunctionAge(CloudWatch(points, refused), "f", clock.utc)
    age.poll()
    age.poll()

    assert age.milliseconds is None
    assert "cannot read the iterator age: AccessDenied" in caplog.text


def test_a_poll_repeats_until_it_is_stopped() -> None:
    calls = 0
    enough = threading.Event()

    def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            enough.set()

    poll = Poll(work, 0.0)
    poll.start()
    assert enough.wait(60)
    poll.stop()
    stopped = calls
    assert stopped >= 3
