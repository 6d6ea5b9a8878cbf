"""Deciding again, with another policy."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from streaming.decisions.replay import ITEMS_AT_ONCE, UNAVAILABLE_SECONDS, replay
from streaming.errors import PolicyError, StreamUnavailable, TableUnavailable
from tests.fakes.dynamodb import FakeTable
from tests.lambda_events import event
from tests.streaming.decisions.decision_fixtures import (
    NAME,
    POLICY,
    Calls,
    World,
    policy,
    result,
    throttled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

STRICTER = policy(
    version=4,
    rules=[
        {
            **POLICY["rules"][1],
            "id": "L3",
            "when": [{"check": "language", "field": "abusive", "at_least": 0.5}],
        }
    ],
)


def decided(world: World) -> None:
    for item, abusive in (("u1", 0.1), ("u2", 0.6), ("u3", 0.95)):
        both = (result("language", item, abusive), result("copyright", item, 0.1))
        world.service().handle(event(*both))


def test_a_replay_counts_what_would_change_and_changes_nothing(world: World) -> None:
    decided(world)
    before = world.items()

    found = replay(world.table(), STRICTER, world.now)

    assert found.items == 3
    assert found.changes == Counter({("review", "reject"): 1})
    assert world.items() == before
    assert len(world.stream.records) == 3


def test_a_replay_revises_each_decision_that_changes_once(world: World) -> None:
    decided(world)
    decider = world.decider(of=STRICTER)

    first = replay(world.table(), STRICTER, world.now, decider)
    second = replay(world.table(), STRICTER, world.now, decider)

    assert first.changes == Counter({("review", "reject"): 1})
    assert (first.failures, second.changes) == ({}, Counter())
    assert world.stream.outcomes("u1") == ["approve"]
    assert world.stream.outcomes("u2") == ["review", "reject"]
    # The outcome is the same, by another rule: the uploader is told that one.
    assert [found["rule"] for found in world.stream.decisions("u3")] == ["L1", "L3"]


def test_after_a_replay_a_function_with_the_older_policy_changes_nothing(world: World) -> None:
    decided(world)
    replay(world.table(), STRICTER, world.now, world.decider(of=STRICTER))

    world.service().handle(event(result("language", "u1", 0.95, number=2)))

    assert world.stream.outcomes("u1") == ["approve"]


def test_a_replay_with_an_older_policy_is_refused(world: World) -> None:
    decided(world)

    with pytest.raises(PolicyError, match="has version 2, and decisions of version 3 exist"):
        replay(world.table(), policy(version=2), world.now, world.decider(of=policy(version=2)))
    assert len(world.stream.records) == 3


def test_a_replay_publishes_what_a_lost_function_has_not(world: World) -> None:
    decided(world)
    world.stream.records.clear()
    world.service().handle(event(result("language", "u4", 0.1)))
    world.clock.advance(60)

    found = replay(world.table(), policy(), world.now, world.decider())

    assert found.changes == Counter({("undecided", "review"): 1})
    assert world.stream.outcomes("u4") == ["review"]


MANY = ITEMS_AT_ONCE + 20


class Down:
    """An operation is refused from one call of it on; then, until `ends` says so."""

    def __init__(self, operation: str, after: int) -> None:
        self.operation, self.left, self.is_over = operation, after, False

    def __call__(self, operation: str, make: Callable[[], Any]) -> Any:
        if operation == self.operation and not self.is_over:
            self.left -= 1
            if self.left < 0:
                raise throttled(operation)
        return make()


def many_decided() -> World:
    world = World(FakeTable())
    both = [
        result(check, f"u{number}", value)
        for number in range(MANY)
        for check, value in (("language", 0.6), ("copyright", 0.1))
    ]
    world.service().handle(event(*both))
    return world


@pytest.mark.parametrize(
    ("down", "done", "error"),
    [
        (Down("get_item", 0), 0, TableUnavailable),
        (Down("put_item", 130), 30, TableUnavailable),  # 100 decisions, 30 marked as published
        (Down("put_item", 210), ITEMS_AT_ONCE, TableUnavailable),
        (Down("put_records", 1), ITEMS_AT_ONCE, StreamUnavailable),
        (Down("scan", 0), 0, TableUnavailable),
    ],
)
def test_a_replay_ends_if_the_table_or_stream_stays_away_and_goes_on_when_run_again(
    down: Down, done: int, error: type[Exception]
) -> None:
    world, calls = many_decided(), Calls(down)
    table = world.table(calls)
    decider = world.decider(calls, of=STRICTER)
    began = world.clock.now()

    first = replay(table, STRICTER, world.now, decider, retries=world.retries())

    assert isinstance(first.stopped, error)
    assert (first.items, first.changes.total(), first.failures) == (done, done, {})
    assert world.clock.now() - began <= UNAVAILABLE_SECONDS

    down.is_over = True
    calls.made.clear()
    second = replay(table, STRICTER, world.now, decider, retries=world.retries())

    assert (second.stopped, second.items) == (None, MANY)
    assert calls.made.count("get_item") == MANY - done
    for number in range(MANY):
        assert world.stream.outcomes(f"u{number}") == ["review", "reject"]


def test_a_replay_waits_for_a_table_that_is_throttled_for_a_moment() -> None:
    world = many_decided()
    at = world.clock.now() + UNAVAILABLE_SECONDS / 4

    def throttled_at_first(operation: str, make: Callable[[], Any]) -> Any:
        if world.clock.now() < at:
            raise throttled(operation)
        return make()

    calls = Calls(throttled_at_first)
    found = replay(
        world.table(calls),
        STRICTER,
        world.now,
        world.decider(calls, of=STRICTER),
        retries=world.retries(),
    )

    assert (found.stopped, found.changes.total()) == (None, MANY)


def test_a_replay_passes_over_what_somebody_has_put_into_the_table(world: World) -> None:
    decided(world)
    for key in ("not JSON", '"u9"'):
        world.client.put_item(TableName=NAME, Item={"item": {"S": key}})

    found = replay(world.table(), STRICTER, world.now, world.decider(of=STRICTER))

    assert sorted(found.unreadable) == ['"u9"', "not JSON"]
    assert (found.items, found.changes) == (3, Counter({("review", "reject"): 1}))
