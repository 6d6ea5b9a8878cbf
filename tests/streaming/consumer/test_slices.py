"""A batch that is too large for one call, or for the memory, is processed in parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streaming.publisher import Entry, Published, Publisher
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import SHARD, event
from tests.streaming.consumer.harness import OUTPUT, BrokenStorage, Harness, context, failed

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_the_counts_and_the_predictions_of_all_slices_are_added(harness: Harness) -> None:
    class Resending(Publisher):
        def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
            return replace(super().publish(entries, deadline), retried=2)

    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}".encode() for n in range(1_001)]
    batch = event(*words)

    harness.handle(batch, publisher=Resending(harness.kinesis, OUTPUT, clock=harness.clock.now))
    assert (harness.telemetry.counts.published, harness.telemetry.counts.retried) == (1_001, 4)

    assert len(harness.handle(batch, publisher=None)["predictions"]) == 1_001


def large_batch(*words: bytes) -> dict[str, Any]:
    """Build two aggregated records of 3,000 entries each: some words, then poison."""
    head = b"".join(entry(word) for word in words)
    message = field(1, b"a") + head + entry(b"0") * (3_000 - len(words))
    return event(aggregate(message), aggregate(message), first=42)


def test_a_large_batch_is_processed_in_slices(harness: Harness) -> None:
    assert harness.handle(large_batch(b"hello", b"unknown")) == {"batchItemFailures": []}

    assert [r["event_id"] for r in harness.published()] == [f"{SHARD}:42:0", f"{SHARD}:43:0"]
    ids = [line["event_id"] for line in harness.dead_letters_written()]
    assert len(ids) == len(set(ids)) == 5_996
    assert sorted(
        path.read_text().count("\n") for path in (harness.folder or Path()).rglob("*.*")
    ) == [998, 998, 1_000, 1_000, 1_000, 1_000]
    assert harness.sums() == (6_000, 2, 2, 5_996, 0)


def test_later_predictions_do_not_overtake_a_refused_one(harness: Harness) -> None:
    harness.kinesis.fail("put_records", "AccessDenied")

    response = harness.handle(large_batch(b"hello"))

    assert response["batchItemFailures"] == failed(42)
    assert harness.published() == []
    assert harness.sums() == (6_000, 0, 0, 999, 5_001)


def test_user_records_not_started_by_the_deadline_are_batch_item_failures(harness: Harness) -> None:
    class Slow(BrokenStorage):
        def put(self, _name: str, content: bytes) -> None:
            assert content
            harness.clock.advance(3)

    response = harness.handle(large_batch(b"hello"), context(20), dead_letters=Slow())

    assert response["batchItemFailures"] == failed(43)
    assert harness.sums() == (6_000, 2, 0, 3_998, 2_000)


def test_a_batch_too_large_for_the_memory_is_predicted_in_parts(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.model.memory = 1
    harness.handle(event(b"one", b"two", b"three"))
    assert harness.words() == ["ONE", "TWO", "THREE"]


def test_when_memory_is_short_no_event_is_predicted_twice(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.model.memory = 2

    harness.handle(event(b"ant", b"bee", b"cow", b"dog"))

    assert harness.model.batches == [4, 2, 2]


@pytest.mark.parametrize("word", [b"word", b"exhausting"])
def test_a_lack_of_memory_fails_the_invocation_and_dead_letters_nothing(
    tmp_path: Path, word: bytes
) -> None:
    harness = Harness(tmp_path)
    harness.model.memory = 0
    with pytest.raises(MemoryError):
        harness.handle(event(word))
    assert harness.dead_letters_written() == []
