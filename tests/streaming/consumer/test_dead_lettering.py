"""Poison is dead-lettered; without dead letters it is a batch item failure."""

from __future__ import annotations

from streaming.errors import StorageUnavailable
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import SHARD, event, record
from tests.streaming.consumer.harness import BrokenStorage, Harness, context, failed


def test_poison_is_dead_lettered(harness: Harness) -> None:
    broken = record(b"", 3)
    broken["kinesis"]["data"] = "not base64!"
    batch = {"Records": [record(b"hello", 1), record(b"w0rd", 2), broken, record(b"bye", 4)]}

    assert harness.handle(batch) == {"batchItemFailures": []}
    assert harness.words() == ["HELLO", "BYE"]
    assert [
        (line["sequence_number"], line["error_type"]) for line in harness.dead_letters_written()
    ] == [
        ("2", "InvalidEvent"),
        ("3", "CorruptRecord"),
    ]
    assert (
        harness.dead_letters_written()[0]["error_message"] == "word is 'w0rd'; allowed: alphabetic"
    )
    assert harness.dead_letters_written()[0]["stream"] == "ride_events"
    assert harness.sums() == (4, 2, 0, 2, 0)


def test_without_dead_letters_poison_is_a_batch_item_failure() -> None:
    harness = Harness()

    assert harness.handle(event(b"hello", b"w0rd", b"bye"))["batchItemFailures"] == failed(2)
    assert harness.words() == ["HELLO", "BYE"]
    assert harness.sums() == (3, 2, 0, 0, 1)


def test_poison_that_cannot_be_dead_lettered_is_a_batch_item_failure(harness: Harness) -> None:
    harness.dead_letters = BrokenStorage()

    assert harness.handle(event(b"hello", b"w0rd", b"b0rd"))["batchItemFailures"] == failed(2)
    assert harness.sums() == (3, 1, 0, 0, 2)


def test_dead_letters_are_written_again_while_their_storage_is_unavailable(
    harness: Harness,
) -> None:
    failures = [StorageUnavailable("503")] * 5
    kept = harness.dead_letters

    class Throttled(BrokenStorage):
        def put(self, name: str, content: bytes) -> None:
            if failures:
                raise failures.pop()
            kept.put(name, content)

    response = harness.handle(event(b"hello", b"w0rd"), context(60), dead_letters=Throttled())

    assert response == {"batchItemFailures": []}
    assert harness.sums() == (2, 1, 0, 1, 0)


def test_dead_letters_are_not_written_again_after_the_deadline(harness: Harness) -> None:
    class Unavailable(BrokenStorage):
        def put(self, _name: str, content: bytes) -> None:
            raise StorageUnavailable(f"503 for {len(content)} bytes")

    response = harness.handle(event(b"hello", b"w0rd"), context(60), dead_letters=Unavailable())

    assert response["batchItemFailures"] == failed(2)
    assert 30 < harness.clock.now() < 60 - 2 * 7


def test_sequence_numbers_are_compared_as_numbers() -> None:
    response = Harness().handle(event(b"hello", b"w0rd", b"b0rd", first=8))

    assert response["batchItemFailures"] == failed(9)


def test_a_damaged_entry_of_an_aggregated_record_does_not_affect_the_others(
    harness: Harness,
) -> None:
    message = field(1, b"a") + entry(b"hello") + entry(b"w0rd") + field(3, b"") + entry(b"bye")

    assert harness.handle(event(aggregate(message), first=42)) == {"batchItemFailures": []}
    assert [r["event_id"] for r in harness.published()] == [f"{SHARD}:42:0", f"{SHARD}:42:3"]
    assert [line["event_id"] for line in harness.dead_letters_written()] == [
        f"{SHARD}:42:1",
        f"{SHARD}:42:2",
    ]
    assert harness.sums() == (4, 2, 0, 2, 0)


def test_an_aggregated_record_with_a_failed_entry_is_a_batch_item_failure() -> None:
    message = field(1, b"a") + entry(b"hello") + entry(b"w0rd")

    response = Harness().handle(event(b"hi", aggregate(message), first=42))

    assert response["batchItemFailures"] == failed(43)
