"""How long the predictions of a batch are published, and in which order."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import pytest

from streaming.aggregation import deaggregate
from streaming.publisher import Entry, Published, Publisher
from tests.lambda_events import event
from tests.streaming.consumer.harness import OUTPUT, THROTTLED, Harness, KeepsLines, context, failed

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("remaining", "seconds", "warnings"),
    [
        (60_000, 45.0, 0),
        (30_000, 15.0, 0),
        (29_999, 14.9995, 1),
        (3_000, 1.5, 1),
        (None, 60.0, 0),
    ],
)
def test_publishing_has_the_remaining_time_less_two_calls_and_the_response(
    harness: Harness, remaining: int | None, seconds: float, warnings: int
) -> None:
    class Recording(Publisher):
        deadlines: ClassVar[list[float]] = []

        def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
            self.deadlines.append(deadline)
            return replace(super().publish(entries, deadline), retried=2)

    telemetry = KeepsLines()
    publisher = Recording(harness.kinesis, OUTPUT, clock=harness.clock.now)
    Recording.deadlines.clear()
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: remaining, aws_request_id="r")

    harness.handle(
        event(*[b"hello"]),
        None if remaining is None else context,
        publisher=publisher,
        telemetry=telemetry,
    )

    assert Recording.deadlines == [seconds]
    warning = (
        f"the function's remaining time is {(remaining or 0) / 1000:.1f} s; if calls to AWS time "
        "out, responding in time takes 30 s"
    )
    assert telemetry.warnings == [warning] * warnings


def test_predictions_refused_until_the_deadline_are_batch_item_failures(harness: Harness) -> None:
    harness.kinesis.refuse = lambda e: THROTTLED if e["PartitionKey"] in "bc" else None
    response = harness.handle(event(b"apple", b"bee", b"cow", b"bat", b"dog"), context(40))

    assert response["batchItemFailures"] == failed(2)
    assert harness.words() == ["APPLE", "DOG"]
    assert harness.sums() == (5, 2, 0, 0, 3)
    assert harness.clock.now() < 40 - 15


def test_with_little_remaining_time_publishing_gets_half_of_it(harness: Harness) -> None:
    harness.kinesis.refuse = lambda _entry: THROTTLED
    harness.handle(event(b"hello"), context(3))

    assert 0 < harness.clock.now() < 1.5


def test_without_valid_credentials_the_whole_batch_is_a_batch_item_failure(
    harness: Harness,
) -> None:
    harness.kinesis.fail("put_records", "UnrecognizedClientException")

    assert harness.handle(event(b"hello", b"bye", first=42))["batchItemFailures"] == failed(42)
    assert harness.sums() == (2, 0, 0, 0, 2)


def test_predictions_of_one_partition_key_are_published_in_order(harness: Harness) -> None:
    refusals = iter([THROTTLED, None])
    harness.kinesis.refuse = lambda _entry: next(refusals, None)

    harness.handle(event(b"ant", b"bee", b"ape"))

    assert harness.words() == ["BEE", "ANT", "APE"]


def test_aggregated_predictions_keep_their_own_event_ids(harness: Harness) -> None:
    publisher = Publisher(harness.kinesis, OUTPUT, aggregation="hot", clock=harness.clock.now)
    harness.handle(event(b"one", b"other", b"open"))
    plain = harness.kinesis.payloads(OUTPUT)

    harness.handle(event(b"one", b"other", b"open"), publisher=publisher)

    (aggregated,) = harness.kinesis.payloads(OUTPUT)[3:]
    assert [entry.data for entry in deaggregate(aggregated)] == plain
