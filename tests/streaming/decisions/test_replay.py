"""Deciding again, with another policy."""

from __future__ import annotations

from collections import Counter

import pytest

from streaming.decisions.replay import replay
from streaming.errors import PolicyError
from tests.lambda_events import event
from tests.streaming.decisions.decision_fixtures import POLICY, World, policy, result

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
