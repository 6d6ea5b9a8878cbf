"""Faults at any call of a decision service: no decision is lost, and none is made twice.

Each scenario runs once without faults, which says what must come out, and then once for every call
that it makes and every way in which that call can go wrong.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from streaming.decisions.item_state import REPUBLISH_SECONDS
from streaming.errors import TableUnavailable
from tests.fakes.dynamodb import FakeTable
from tests.lambda_events import event
from tests.streaming.decisions.decision_fixtures import (
    DEADLINE,
    NAME,
    SCHEDULED,
    Calls,
    DecisionStream,
    Lost,
    World,
    open_world,
    opening,
    result,
    throttled,
    timed_out,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 10

BATCHES = (
    event(result("copyright", "u1", 0.9), result("language", "u2", 0.1), opening("u3")),
    event(result("language", "u1", 0.6), result("copyright", "u2", 0.1)),
    SCHEDULED,  # time is up for u3
    event(result("language", "u3", 0.1), result("copyright", "u3", 0.2)),
    event(result("copyright", "u3", 0.95, number=2)),
)
EXPECTED = {"u1": ["reject"], "u2": ["approve"], "u3": ["review", "approve", "reject"]}

ONE_ITEM = (
    event(result("copyright", "u1", 0.1)),
    event(result("language", "u1", 0.6)),
    event(result("language", "u1", 0.1, number=2)),
)


@pytest.fixture
def world() -> World:
    return World(FakeTable())


def lost_before(_operation: str, _make: Callable[[], Any]) -> Any:
    raise Lost


def lost_after(_operation: str, make: Callable[[], Any]) -> Any:
    make()
    raise Lost


def refused(operation: str, _make: Callable[[], Any]) -> Any:
    raise throttled(operation)


def response_lost(_operation: str, make: Callable[[], Any]) -> Any:
    make()
    raise timed_out()


def made_twice(_operation: str, make: Callable[[], Any]) -> Any:
    """Make a call twice, as a client does that repeats one whose response was lost."""
    make()
    return make()


FAULTS = (lost_before, lost_after, refused, response_lost, made_twice)


class AtCalls:
    """A fault at some calls, by their number.

    Attributes:
        met: At how many it was.
    """

    def __init__(self, faults: dict[int, Callable[..., Any]]) -> None:
        self.met = 0
        self._faults = faults
        self._number = -1

    def __call__(self, operation: str, make: Callable[[], Any]) -> Any:
        self._number += 1
        fault = self._faults.get(self._number)
        if fault is None:
            return make()
        self.met += 1
        return fault(operation, make)


def deliver(
    world: World, invocation: dict[str, Any], calls: Calls, attempts: int = ATTEMPTS
) -> None:
    """Invoke the function until it has done everything, as an event source mapping does."""
    for _ in range(attempts):
        try:
            response = world.service(calls).handle(invocation)
        except (Lost, TableUnavailable):
            continue
        failures = response.get("batchItemFailures")
        if not failures:
            return
        records = invocation["Records"]
        numbers = [record["kinesis"]["sequenceNumber"] for record in records]
        first = numbers.index(failures[0]["itemIdentifier"])
        invocation = {"Records": records[first:]}
    raise AssertionError("never done")


def renewed(world: World) -> None:
    for found in world.items():
        world.client.delete_item(TableName=NAME, Key={"item": found["item"]})
    world.stream = DecisionStream()


def run(
    world: World,
    batches: tuple[dict[str, Any], ...],
    fault: Callable[..., Any] | None = None,
    attempts: int = ATTEMPTS,
) -> list[str]:
    """Deliver batches, then let the schedule tick; return the calls that were made."""
    renewed(world)
    calls = Calls(fault)
    for batch in batches:
        if batch is SCHEDULED:
            world.clock.advance(DEADLINE)
        deliver(world, batch, calls, attempts)
    calls.fault = None
    world.clock.advance(DEADLINE + REPUBLISH_SECONDS)
    deliver(world, SCHEDULED, calls)
    return calls.made


def check(world: World, expected: dict[str, list[str]]) -> None:
    contents: dict[str | None, Any] = {}
    for record in world.stream.records:
        assert contents.setdefault(record.event_id, record) == record
    for item, outcomes in expected.items():
        assert world.stream.outcomes(item) == outcomes
        numbers = [found["decision"] for found in world.stream.decisions(item)]
        assert numbers == list(range(1, len(outcomes) + 1))
    assert {record.prediction["upload_id"] for record in world.stream.records} == set(expected)
    assert not [found for found in world.items() if "due_at" in found]


def test_the_table_in_memory_behaves_as_motos(world: World) -> None:
    def contents(of: World) -> list[dict[str, Any]]:
        tagless = [{**found, "tag": None} for found in of.items()]
        return sorted(tagless, key=lambda found: str(found["item"]))

    with open_world() as other:
        assert run(world, BATCHES, lost_rarely()) == run(other, BATCHES, lost_rarely())
        assert contents(world) == contents(other)


def lost_rarely() -> AtCalls:
    return AtCalls({2: made_twice, 5: lost_after, 9: response_lost, 13: made_twice})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_at_any_call_changes_no_decision(world: World, fault: Callable[..., Any]) -> None:
    calls = run(world, BATCHES)
    check(world, EXPECTED)
    assert {"get_item", "put_item", "put_records", "query"} <= set(calls)

    for number in range(len(calls)):
        at_call = AtCalls({number: fault})
        run(world, BATCHES, at_call)
        check(world, EXPECTED)
        if number < calls.index("query"):  # a later one may be of the last tick, without faults
            assert at_call.met == 1


def test_two_losses_at_any_two_calls_change_no_decision(world: World) -> None:
    calls = run(world, ONE_ITEM)
    check(world, {"u1": ["review", "approve"]})

    for first, second in combinations(range(len(calls) - 8), 2):
        for faults in ((lost_after, lost_after), (lost_after, response_lost)):
            run(world, ONE_ITEM, AtCalls(dict(zip((first, second), faults, strict=True))))
            check(world, {"u1": ["review", "approve"]})


def test_a_decision_that_nobody_retries_is_published_by_the_schedule(world: World) -> None:

    renewed(world)
    deliver(world, ONE_ITEM[0], Calls())
    at_call = AtCalls({1: lost_after})
    with pytest.raises(Lost):
        world.service(Calls(at_call)).handle(ONE_ITEM[1])
    assert world.stream.records == []
    assert len(world.items()) == 1
    world.clock.advance(REPUBLISH_SECONDS)
    deliver(world, SCHEDULED, Calls())

    check(world, {"u1": ["review"]})


@pytest.mark.parametrize("other", [*range(3), "tick"])
def test_two_functions_at_once_make_each_decision_once(world: World, other: int | str) -> None:
    """The second handles all of its batch between any two calls of the first."""
    batches = (
        event(result("copyright", "u1", 0.1), result("language", "u2", 0.6)),
        event(result("language", "u1", 0.6), result("copyright", "u2", 0.1)),
        event(result("language", "u1", 0.6), result("language", "u2", 0.6)),  # some again
    )
    meanwhile = SCHEDULED if other == "tick" else batches[int(other)]

    def interrupted(_operation: str, make: Callable[[], Any]) -> Any:
        deliver(world, meanwhile, Calls())
        made = make()
        deliver(world, meanwhile, Calls())
        return made

    expected = {"u1": ["review"], "u2": ["review"]}
    calls = run(world, batches)
    check(world, expected)
    for number in range(len(calls)):
        run(world, batches, AtCalls({number: interrupted}), attempts=1)
        check(world, expected)


def test_a_function_that_waits_long_before_it_writes_overwrites_nothing(world: World) -> None:
    """What it read has been decided and published meanwhile, on a newer result."""

    def stalled(operation: str, make: Callable[[], Any]) -> Any:
        if operation == "put_item":
            calls.fault = None
            deliver(world, ONE_ITEM[2], Calls())
        return make()

    deliver(world, ONE_ITEM[0], Calls())
    calls = Calls(stalled)
    deliver(world, ONE_ITEM[1], calls)

    check(world, {"u1": ["approve"]})


def test_while_kinesis_refuses_the_next_decision_waits_and_nothing_grows(world: World) -> None:
    """One decision is kept for publishing; when Kinesis is back, the newest results decide."""

    def kinesis_down(operation: str, make: Callable[[], Any]) -> Any:
        if operation == "put_records":
            raise throttled(operation)
        return make()

    sizes = []
    deliver(world, ONE_ITEM[0], Calls())
    for number in range(1, 6):
        late = event(result("language", "u1", 0.6 if number % 2 else 0.95, number=number))
        failed = world.service(Calls(kinesis_down)).handle(late)
        assert failed["batchItemFailures"] == [{"itemIdentifier": "1"}]
        sizes.append(len(world.items()[0]["state"]["S"]))
    deliver(world, late, Calls())

    assert max(sizes) - min(sizes) < 10
    check(world, {"u1": ["review"]})
