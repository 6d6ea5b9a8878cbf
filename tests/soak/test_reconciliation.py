import dataclasses

import pytest

from tests.soak.reconciliation import (
    Answer,
    Arrived,
    Expected,
    PutRecordsLog,
    StallWatch,
    Verdict,
    expect,
    judge,
)
from tests.soak.workload import Good, KinesisRecord, Poisoned, Unrecognised

SHARD = "shardId-000000000000"
BROKEN = Poisoned("not JSON", b"broken")

PARCELS = [
    KinesisRecord("taxi", b"one", (Good(1),)),
    KinesisRecord("taxi", b"many", (Good(1), BROKEN, Unrecognised(), Good(2)), indexed=True),
]
STREAM = [Arrived(SHARD, "7", b"one"), Arrived(SHARD, "8", b"many")]
FIRST, UPDATE, OTHER, POISON = (f"{SHARD}:{place}" for place in ("7", "8:0", "8:3", "8:1"))

ANSWERS = [Answer(FIRST, 1), Answer(OTHER, 2), Answer(UPDATE, 1)]
DEAD = {POISON: b"broken"}
CLEAN = Verdict(predicted=3, dead=1, lost=0, out_of_order=0, delivered_twice=0, wrong=0)


def put(*kinesis_records_of: KinesisRecord) -> PutRecordsLog:
    accepted = PutRecordsLog()
    accepted.add(kinesis_records_of)
    return accepted


def expected(*stream: Arrived) -> Expected:
    return expect(stream or STREAM, put(*PARCELS))


def test_the_stream_says_what_must_become_of_each_event() -> None:
    found = expected()
    assert found.rides == {FIRST: 1, UPDATE: 1, OTHER: 2}
    assert found.poison == {POISON: BROKEN}
    assert found.order == {1: [FIRST, UPDATE], 2: [OTHER]}
    assert (found.foreign, found.repeated, found.events) == (1, 0, 5)


def test_a_record_that_its_producer_put_twice_makes_two_events() -> None:
    found = expected(*STREAM, Arrived(SHARD, "9", b"one"))
    assert found.order[1] == [FIRST, UPDATE, f"{SHARD}:9"]
    assert found.repeated == 1


def test_every_event_answered_once_and_in_order_passes() -> None:
    verdict = judge(expected(), ANSWERS, DEAD)
    assert verdict == CLEAN
    assert verdict.passed


@pytest.mark.parametrize(
    ("answers", "dead", "difference"),
    [
        pytest.param(ANSWERS[:2], DEAD, {"predicted": 2, "lost": 1}, id="a prediction is missing"),
        pytest.param(ANSWERS, {}, {"dead": 0, "lost": 1}, id="a dead letter is missing"),
        pytest.param(
            ANSWERS,
            {POISON: b"others"},
            {"dead": 0, "lost": 1, "wrong": 1},
            id="a dead letter holds another payload",
        ),
        pytest.param(ANSWERS, {**DEAD, FIRST: b"one"}, {"wrong": 1}, id="a good ride is dead too"),
        pytest.param(ANSWERS[::-1], DEAD, {"out_of_order": 1}, id="an update came first"),
        pytest.param(
            [*ANSWERS, ANSWERS[0]], DEAD, {"delivered_twice": 1}, id="the reader gave one twice"
        ),
        pytest.param([*ANSWERS, Answer(POISON, 1)], DEAD, {"wrong": 1}, id="poison was predicted"),
        pytest.param(
            [*ANSWERS, Answer(None, 1)], DEAD, {"wrong": 1}, id="a prediction names no event"
        ),
        pytest.param(
            [*ANSWERS[:2], Answer(UPDATE, 2)],
            DEAD,
            {"predicted": 2, "lost": 1, "wrong": 1},
            id="a prediction is for another ride",
        ),
    ],
)
def test_whatever_breaks_the_promise_fails(
    answers: list[Answer], dead: dict[str, bytes], difference: dict[str, int]
) -> None:
    verdict = judge(expected(), answers, dead)
    assert verdict == dataclasses.replace(CLEAN, **difference)
    assert not verdict.passed


def test_an_accepted_record_that_is_not_on_the_stream_is_lost() -> None:
    found = expected(STREAM[0])
    verdict = judge(found, ANSWERS[:1], {})
    assert (verdict.lost, verdict.passed) == (1, False)


def test_a_record_that_nobody_put_is_wrong() -> None:
    verdict = judge(expected(*STREAM, Arrived(SHARD, "9", b"stranger")), ANSWERS, DEAD)
    assert verdict == dataclasses.replace(CLEAN, wrong=1)


def test_the_order_holds_across_shards_of_a_reshard() -> None:
    child = "shardId-000000000001"
    found = expect([STREAM[0], Arrived(child, "9", b"one")], put(PARCELS[0]))
    later = Answer(f"{child}:9", 1)
    assert judge(found, [ANSWERS[0], later], {}).passed
    assert judge(found, [later, ANSWERS[0]], {}).out_of_order == 1


def test_the_longest_stall_is_that_of_the_slowest_move() -> None:
    watch = StallWatch()
    for now, position in [(0.0, "1"), (1.0, "2"), (4.0, "2"), (6.0, "3"), (7.0, "4")]:
        watch.look(now, {SHARD: position})
    assert watch.finish(60.0, {SHARD: "4"}, {SHARD: "4"}) == 0
    assert watch.longest == 5.0


def test_a_shard_that_got_to_its_end_after_the_last_look_is_not_stuck() -> None:
    watch = StallWatch()
    watch.look(10.0, {SHARD: "3"})
    assert watch.finish(10.5, {SHARD: "4"}, {SHARD: "4"}) == 0


@pytest.mark.parametrize("position", ["2", "TRIM_HORIZON"])
def test_a_shard_that_never_gets_to_its_end_is_stuck_and_stalls_until_then(position: str) -> None:
    watch = StallWatch()
    watch.look(10.0, {SHARD: position})
    assert watch.finish(60.0, {SHARD: position}, {SHARD: "4"}) == 1
    assert watch.longest == 50.0


def test_a_shard_that_was_read_to_its_end_and_closed_is_not_stuck() -> None:
    watch = StallWatch()
    watch.look(10.0, {SHARD: "FINISHED"})
    assert watch.finish(60.0, {SHARD: "FINISHED"}, {SHARD: "4"}) == 0
