"""What is left of an overdue record follows its other entries to the dead letters."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from streaming.consumer.consumer import NOT_FINISHED_SECONDS, SLICE_RECORDS
from streaming.errors import StorageError
from streaming.storage import FolderStorage
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import SHARD, event
from tests.streaming.consumer.harness import THROTTLED, Harness, context, failed

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = 6 * SLICE_RECORDS
CALL = 0.02
"""Seconds that a call of PutRecords takes; all words have one partition key."""


class Flaky:
    """A folder in which some writes fail."""

    def __init__(self, folder: Path) -> None:
        self._folder = FolderStorage(folder)
        self.writes = 0
        self.failing: range = range(0)

    def put(self, name: str, content: bytes) -> None:
        self.writes += 1
        if self.writes in self.failing:
            raise StorageError("no room")
        self._folder.put(name, content)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    found = Harness(tmp_path)
    found.dead_letters = Flaky(tmp_path)
    found.age = NOT_FINISHED_SECONDS
    put = found.kinesis.put_records

    def slow(**call: object) -> object:
        found.clock.advance(CALL)
        return put(**call)  # type: ignore[arg-type]

    found.kinesis.put_records = slow  # type: ignore[assignment,method-assign]
    return found


BATCH = event(aggregate(field(1, b"k") + entry(b"hot") * ENTRIES), b"hi", first=42)


def places(ids: list[str]) -> list[int]:
    """Return the places in the aggregated record of event ids of its entries."""
    prefix = f"{SHARD}:42:"
    return [int(each.removeprefix(prefix)) for each in ids if each.startswith(prefix)]


def predicted(harness: Harness) -> list[int]:
    return places([each["event_id"] for each in harness.published()])


def dead(harness: Harness) -> list[int]:
    return places([each["event_id"] for each in harness.dead_letters_written()])


def test_the_entries_behind_those_that_are_dead_lettered_follow_them(harness: Harness) -> None:
    consumer = harness.environment()
    harness.dead_letters.failing = range(2, 100)
    assert consumer.handle(BATCH, context(60))["batchItemFailures"] == failed(42)
    in_time = predicted(harness)
    assert in_time == list(range(len(in_time)))
    assert dead(harness)

    harness.dead_letters.failing = range(0)
    assert consumer.handle(BATCH, context(60))["batchItemFailures"] == []

    assert predicted(harness) == in_time
    assert sorted(dead(harness)) == list(range(len(in_time), ENTRIES))
    assert harness.published()[-1]["event_id"] == f"{SHARD}:43"


def test_while_they_cannot_follow_nothing_behind_them_is_published(harness: Harness) -> None:
    consumer = harness.environment()
    harness.dead_letters.failing = range(2, 100)
    for _ in range(3):
        assert consumer.handle(BATCH, context(60))["batchItemFailures"] == failed(42)

    assert len(predicted(harness)) == len(harness.published())
    assert max(predicted(harness)) < min(dead(harness))


def test_some_of_them_may_follow_at_each_attempt(harness: Harness) -> None:
    consumer = harness.environment()
    harness.dead_letters.failing = range(2, 1_000, 2)
    attempts = 1
    while consumer.handle(BATCH, context(60))["batchItemFailures"]:
        attempts += 1

    assert attempts > 2
    assert sorted({*predicted(harness), *dead(harness)}) == list(range(ENTRIES))
    assert max(predicted(harness)) < min(dead(harness))
    assert harness.published()[-1]["event_id"] == f"{SHARD}:43"


def test_a_record_of_which_nothing_is_dead_lettered_yet_goes_on(harness: Harness) -> None:
    consumer = harness.environment()
    harness.dead_letters.failing = range(1, 100)
    attempts = 1
    while consumer.handle(BATCH, context(60))["batchItemFailures"]:
        attempts += 1

    assert attempts == 3  # 6,000 calls take 120 s; 45 s of an invocation are for publishing
    assert predicted(harness) == list(range(ENTRIES))
    assert dead(harness) == []


def test_a_record_of_which_nothing_was_finished_is_tried_again(harness: Harness) -> None:
    decode, waits = harness.model.decode, [46.0]  # of 60, 45 are for publishing

    def slow(content: bytes, arrived_at: float) -> str | None:
        harness.clock.advance(waits.pop() if waits else 0.0)
        return decode(content, arrived_at)

    harness.model.decode = slow  # type: ignore[method-assign]

    assert harness.handle(BATCH, context(60))["batchItemFailures"] == failed(42)

    assert (predicted(harness), dead(harness)) == ([], [])


def test_a_record_whose_entries_kinesis_throttles_is_not_dead_lettered(harness: Harness) -> None:
    accepted = iter(range(500))
    harness.kinesis.refuse = lambda _: THROTTLED if next(accepted, None) is None else None

    assert harness.handle(BATCH, context(60))["batchItemFailures"] == failed(42)

    assert (predicted(harness), dead(harness)) == (list(range(500)), [])


@pytest.mark.parametrize(
    ("remaining", "until", "in_time"),
    [(60, 51.5, True), (60, 52.5, False), (None, 66.5, True), (None, 67.5, False), (20, 11, False)],
)
def test_entries_are_dead_lettered_only_while_there_is_time_to_write_them(
    harness: Harness, remaining: float | None, until: float, *, in_time: bool
) -> None:
    """Seven seconds for a write before the response; none if little time was left at the start."""
    put, calls = harness.kinesis.put_records, count(1)

    def hang(**call: object) -> object:
        if next(calls) == 100:
            harness.clock.advance(until - CALL - harness.clock.now())
        return put(**call)  # type: ignore[arg-type]

    harness.kinesis.put_records = hang  # type: ignore[assignment,method-assign]

    response = harness.handle(BATCH, None if remaining is None else context(remaining))

    assert predicted(harness) == list(range(100))
    assert sorted(dead(harness)) == (list(range(100, ENTRIES)) if in_time else [])
    assert response["batchItemFailures"] == failed(43 if in_time else 42)
