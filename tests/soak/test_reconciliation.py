import dataclasses

import pytest

from tests.soak.reconciliation import (
    Expected,
    ReceivedPrediction,
    Reconciliation,
    StallWatch,
    StoredRecord,
    digest,
    expect,
    reconcile,
)
from tests.soak.workload import DeadLettered, KinesisRecord, Predicted, Skipped

SHARD = "shardId-000000000000"
BROKEN = DeadLettered("not JSON", b"broken")

RECORDS = [
    KinesisRecord("taxi", b"one", (Predicted(1),)),
    KinesisRecord(
        "taxi", b"many", (Predicted(1), BROKEN, Skipped(), Predicted(2)), aggregated=True
    ),
]
STREAM = [StoredRecord(SHARD, "7", b"one"), StoredRecord(SHARD, "8", b"many")]
FIRST, UPDATE, OTHER, POISON = (f"{SHARD}:{place}" for place in ("7", "8:0", "8:3", "8:1"))

PREDICTIONS = [
    ReceivedPrediction(FIRST, 1),
    ReceivedPrediction(OTHER, 2),
    ReceivedPrediction(UPDATE, 1),
]
DEAD = {POISON: b"broken"}
CLEAN = Reconciliation(
    predicted=3, dead_lettered=1, lost=0, out_of_order=0, delivered_twice=0, wrong=0
)


ACCEPTED = {digest(record.data): record for record in RECORDS}


def expected(*stream: StoredRecord) -> Expected:
    return expect(stream or STREAM, ACCEPTED)


def test_the_stream_defines_what_should_happen_to_each_event() -> None:
    found = expected()
    assert found.rides == {FIRST: 1, UPDATE: 1, OTHER: 2}
    assert found.poison == {POISON: BROKEN}
    assert found.by_ride == {1: [FIRST, UPDATE], 2: [OTHER]}
    assert (found.unrecognised, found.repeated, found.events) == (1, 0, 5)


def test_a_record_that_the_producer_put_twice_makes_two_events() -> None:
    found = expected(*STREAM, StoredRecord(SHARD, "9", b"one"))
    assert found.by_ride[1] == [FIRST, UPDATE, f"{SHARD}:9"]
    assert found.repeated == 1


def test_a_prediction_that_a_later_reader_delivers_again_passes_and_is_counted() -> None:
    again = [each._replace(reader=1) for each in PREDICTIONS[:2]]
    result = reconcile(expected(), [*PREDICTIONS, *again], DEAD)
    assert result == dataclasses.replace(CLEAN, delivered_after_restart=2)
    assert result.passed


def test_every_event_accounted_for_once_and_in_order_passes() -> None:
    result = reconcile(expected(), PREDICTIONS, DEAD)
    assert result == CLEAN
    assert result.passed


DIFFERENCES: dict[str, tuple[list[ReceivedPrediction], dict[str, bytes], dict[str, int]]] = {
    "a missing prediction": (PREDICTIONS[:2], DEAD, {"predicted": 2, "lost": 1}),
    "a missing dead-letter record": (PREDICTIONS, {}, {"dead_lettered": 0, "lost": 1}),
    "a dead-letter record with other data": (
        PREDICTIONS,
        {POISON: b"other"},
        {"dead_lettered": 0, "lost": 1, "wrong": 1},
    ),
    "a dead-letter record of a ride event": (PREDICTIONS, {**DEAD, FIRST: b"one"}, {"wrong": 1}),
    "an update before its ride": (PREDICTIONS[::-1], DEAD, {"out_of_order": 1}),
    "a prediction delivered twice": ([*PREDICTIONS, PREDICTIONS[0]], DEAD, {"delivered_twice": 1}),
    "a prediction of poison": ([*PREDICTIONS, ReceivedPrediction(POISON, 1)], DEAD, {"wrong": 1}),
    "a prediction without an event id": (
        [*PREDICTIONS, ReceivedPrediction(None, 1)],
        DEAD,
        {"wrong": 1},
    ),
    "a prediction for another ride": (
        [*PREDICTIONS[:2], ReceivedPrediction(UPDATE, 2)],
        DEAD,
        {"predicted": 2, "lost": 1, "wrong": 1},
    ),
}


@pytest.mark.parametrize(
    ("predictions", "dead_letters", "difference"), DIFFERENCES.values(), ids=DIFFERENCES.keys()
)
def test_any_difference_fails(
    predictions: list[ReceivedPrediction],
    dead_letters: dict[str, bytes],
    difference: dict[str, int],
) -> None:
    result = reconcile(expected(), predictions, dead_letters)
    assert result == dataclasses.replace(CLEAN, **difference)
    assert not result.passed


def test_an_accepted_record_that_is_not_on_the_stream_is_lost() -> None:
    found = expected(STREAM[0])
    result = reconcile(found, PREDICTIONS[:1], {})
    assert (result.lost, result.passed) == (1, False)


def test_a_record_that_the_producer_did_not_put_is_wrong() -> None:
    result = reconcile(expected(*STREAM, StoredRecord(SHARD, "9", b"unknown")), PREDICTIONS, DEAD)
    assert result == dataclasses.replace(CLEAN, wrong=1)


def test_the_order_holds_across_the_shards_of_a_reshard() -> None:
    child = "shardId-000000000001"
    found = expect([STREAM[0], StoredRecord(child, "9", b"one")], {digest(b"one"): RECORDS[0]})
    later = ReceivedPrediction(f"{child}:9", 1)
    assert reconcile(found, [PREDICTIONS[0], later], {}).passed
    assert reconcile(found, [later, PREDICTIONS[0]], {}).out_of_order == 1


def test_the_longest_stall_is_the_longest_time_between_two_checkpoints() -> None:
    watch = StallWatch()
    for now, checkpoint in [(0.0, "1"), (1.0, "2"), (4.0, "2"), (6.0, "3"), (7.0, "4")]:
        watch.observe(now, {SHARD: checkpoint})
    assert watch.finish(60.0, {SHARD: "4"}, {SHARD: "4"}) == 0
    assert watch.longest == 5.0


def test_a_shard_that_reached_its_end_after_the_last_observation_is_not_stuck() -> None:
    watch = StallWatch()
    watch.observe(10.0, {SHARD: "3"})
    assert watch.finish(10.5, {SHARD: "4"}, {SHARD: "4"}) == 0


@pytest.mark.parametrize("checkpoint", ["2", "TRIM_HORIZON"])
def test_a_shard_that_never_reaches_its_end_is_stuck_and_stalls_until_then(checkpoint: str) -> None:
    watch = StallWatch()
    watch.observe(10.0, {SHARD: checkpoint})
    assert watch.finish(60.0, {SHARD: checkpoint}, {SHARD: "4"}) == 1
    assert watch.longest == 50.0


def test_a_closed_shard_that_was_read_to_its_end_is_not_stuck() -> None:
    watch = StallWatch()
    watch.observe(10.0, {SHARD: "FINISHED"})
    assert watch.finish(60.0, {SHARD: "FINISHED"}, {SHARD: "4"}) == 0
