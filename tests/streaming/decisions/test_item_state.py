"""The step from one state of an item to the next."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streaming.decisions.check_results import CARRIED_BYTES, RESULT_BYTES, Arrival
from streaming.decisions.decision_table import bucket
from streaming.decisions.item_state import ItemState, advance
from streaming.decisions.policy import CHECKS, KEPT_RESULTS
from tests.streaming.decisions.decision_fixtures import (
    DEADLINE,
    START,
    arrival,
    opening,
    policy,
    result,
)

DYNAMODB_ITEM_BYTES = 400 * 1024

events = st.lists(
    st.one_of(
        st.builds(
            lambda check, value, number, version: arrival(
                result(check, "u1", value, number=number, version=version)
            ),
            st.sampled_from(["copyright", "language"]),
            st.sampled_from([0.1, 0.6, 0.95]),
            st.integers(1, 12),
            st.sampled_from(["1", "2"]),
        ),
        st.just(arrival(opening("u1"))),
        st.just("tick"),
        st.just("publish"),
    ),
    max_size=12,
)


def followed(found: list[Any], state: ItemState | None = None) -> tuple[ItemState, list[Any]]:
    """Apply arrivals, the schedule's looks and publications; return the decisions that come."""
    state = state or ItemState("u1", START)
    published: list[Any] = []
    now = START
    for each in [*found, "publish", "tick", "publish", "publish"]:
        arrivals = [each] if isinstance(each, Arrival) else []
        done = None
        if each == "tick":
            now += DEADLINE
        if each == "publish" and state.outbox is not None:
            published.append(state.outbox.prediction)
            done = state.outbox.event_id
        state = advance(state, arrivals, policy(), now, done)
    return state, published


@given(events, st.randoms(use_true_random=False))
def test_the_last_decision_depends_on_the_results_alone_in_any_order_and_number(
    found: list[Any], random: Any
) -> None:
    state, decisions = followed(found)
    again = [*found, *(each for each in found if isinstance(each, Arrival))]
    random.shuffle(again)
    other, other_decisions = followed(again)

    assert other.results == state.results
    assert [found["outcome"] for found in decisions[-1:]] == [
        found["outcome"] for found in other_decisions[-1:]
    ]
    assert decisions[-1]["checks"].keys() <= state.results.keys()


@given(events)
def test_decisions_are_numbered_and_none_repeats_the_one_before(found: list[Any]) -> None:
    state, decisions = followed(found)

    assert [each["decision"] for each in decisions] == list(range(1, len(decisions) + 1))
    for before, after in itertools.pairwise(decisions):
        assert (before["outcome"], before["rule"]) != (after["outcome"], after["rule"])
        assert after["revises"] == before["outcome"]
    assert (state.outbox, state.due_at) == (None, None)
    assert state.decided is not None
    assert state.decided.outcome == decisions[-1]["outcome"]


@given(events)
def test_a_state_is_the_same_after_it_was_stored_and_nothing_new_changes_nothing(
    found: list[Any],
) -> None:
    state, _ = followed(found)

    assert msgspec.json.decode(msgspec.json.encode(state), type=ItemState) == state
    repeated = [each for each in found if isinstance(each, Arrival)]
    assert advance(state, repeated, policy(), START + 2 * DEADLINE) == state


def test_another_result_of_the_same_model_for_a_later_event_replaces_the_first() -> None:
    old, new = (
        arrival(result("copyright", "u1", value, number=n)) for value, n in [(1, 9), (0, 10)]
    )

    for order in ([old, new], [new, old]):
        state, _ = followed(order)
        assert state.results["copyright"] == new.result


def test_a_larger_state_than_the_limits_allow_fits_an_item_of_dynamodb() -> None:
    """Checks of two policies that have none in common, each with the largest result."""
    key = "\x01" * 128  # six bytes each in JSON
    state = ItemState(key, START, carried={"uploader": "u" * CARRIED_BYTES})
    for version in (1, 2):
        checks = {
            f"{version}{number:02}{'c' * 61}": f"{number:02}{'m' * 62}" for number in range(CHECKS)
        }
        of = policy(version=version, checks=checks, rules=[])
        for check in checks:
            found = arrival(result("language", "u1", 0.5)).result
            assert found is not None
            large = msgspec.structs.replace(
                found,
                version="\x01" * 256,
                event_id="\x01" * 512,
                prediction={"text": "t" * RESULT_BYTES},
            )
            published = None if state.outbox is None else state.outbox.event_id
            state = advance(state, [Arrival(key, check, large)], of, START, published)

    state = msgspec.structs.replace(state, decided=None, outbox=None)
    state = advance(state, [], of, START)
    assert state.outbox is not None
    assert len(state.outbox.prediction["checks"]) == CHECKS
    assert len(state.results) == KEPT_RESULTS
    assert len(msgspec.json.encode(state)) < 0.95 * DYNAMODB_ITEM_BYTES  # beside other attributes


def test_of_checks_that_the_policy_does_not_name_the_newest_results_are_kept() -> None:
    mine = {f"mine{number}": f"mine{number}" for number in range(CHECKS)}
    state = ItemState("u1", START)
    for number, check in enumerate([*(f"other{place}" for place in range(CHECKS)), *mine]):
        found = arrival(result("language", "u1", 0.5, number=number)).result
        arrived = [Arrival("u1", check, found)]
        state = advance(state, arrived, policy(checks=mine, rules=[]), START)

    kept = KEPT_RESULTS - CHECKS
    assert state.results.keys() == mine.keys() | {f"other{CHECKS - 1 - n}" for n in range(kept)}


def test_items_spread_over_the_buckets_of_the_index() -> None:
    assert {bucket(f"u{number}") for number in range(100)} == set("01234567")
    assert bucket("u1") == bucket("u1")
