"""What the schedule does each minute: items that are due, in the time there is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.decisions.decision_table import BUCKETS
from streaming.errors import TableError, TableUnavailable
from tests.streaming.decisions.decision_fixtures import (
    DEADLINE,
    SCHEDULED,
    Calls,
    World,
    opening,
    put,
    result,
    throttled,
)


def test_a_sweep_settles_what_it_can_and_fails_for_the_rest(world: World) -> None:
    put(world, *(result("language", f"u{number}", 0.1) for number in range(9)))
    world.clock.advance(DEADLINE)

    def all_but_u3(operation: str, make: Any) -> Any:
        made = make()
        if operation == "get_item" and made["Item"]["item"] == {"S": '"u3"'}:
            raise throttled(operation)
        return made

    with pytest.raises(TableUnavailable, match="1 of 9 due items failed"):
        world.service(Calls(all_but_u3)).handle(SCHEDULED)

    assert len(world.stream.records) == 8
    assert world.service().handle(SCHEDULED) == {"due": 1}


def test_an_item_that_is_always_throttled_does_not_keep_ticks_from_all_others(
    world: World,
) -> None:
    put(world, *(result("language", f"u{number}", 0.1) for number in range(40)))

    def slow_and_without_u3(operation: str, make: Any) -> Any:
        world.clock.advance(0.25)
        made = make()
        if operation == "get_item" and made["Item"]["item"] == {"S": '"u3"'}:
            raise throttled(operation)
        return made

    for _ in range(BUCKETS):
        world.clock.advance(60)
        with pytest.raises(TableUnavailable, match="due items failed"):
            world.service(Calls(slow_and_without_u3)).handle(SCHEDULED)

    undecided = [f"u{number}" for number in range(40) if not world.stream.outcomes(f"u{number}")]
    assert undecided == ["u3"]


def test_a_sweep_without_work_reads_each_bucket_once(world: World) -> None:
    calls = Calls()
    world.service(calls).handle(SCHEDULED)

    assert calls.made == ["query"] * BUCKETS


class OutOfTime:
    """Lambda's context at the end of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        return 0


def test_a_sweep_without_time_leaves_what_is_due_to_the_next(world: World) -> None:
    put(world, result("language", "u1", 0.1))
    world.clock.advance(DEADLINE)

    assert world.service().handle(SCHEDULED, OutOfTime()) == {"due": 0}
    assert world.stream.records == []
    assert world.service().handle(SCHEDULED) == {"due": 1}


def test_a_missing_table_is_an_error_of_one_line(world: World) -> None:
    world.client.delete_table(TableName="decisions")

    with pytest.raises(TableError, match=r"^the table decisions: ResourceNotFoundException"):
        world.service().handle(SCHEDULED)


def test_a_tick_says_how_many_items_were_due_and_for_how_long(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    service = world.service(level="INFO")
    service.handle(SCHEDULED)
    put(world, opening("u1"), opening("u2"))
    world.clock.advance(DEADLINE + 90)
    service.handle(SCHEDULED)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ticks = [line for line in lines if line.get("message") == "tick"]
    assert [(t["settled"], t["failed"], t["overdue_seconds"]) for t in ticks] == [
        (0, 0, 0),
        (2, 0, 90),
    ]


def test_a_tick_with_failures_says_so_before_it_fails(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, opening("u1"))
    world.clock.advance(DEADLINE + 1)
    capsys.readouterr()

    def refuse(operation: str, make: Any) -> Any:
        if operation == "put_item":
            raise throttled(operation)
        return make()

    with pytest.raises(TableUnavailable):
        world.service(Calls(refuse), level="INFO").handle(SCHEDULED)

    (line,) = (json.loads(each) for each in capsys.readouterr().out.splitlines())
    assert (line["message"], line["settled"], line["failed"]) == ("tick", 0, 1)
    assert line["overdue_seconds"] == 1


def test_a_tick_passes_over_a_key_that_no_item_has_and_decides_the_others(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, *(opening(f"u{number}") for number in range(20)))
    keys = ("not JSON", '"\\u0061"', "1.5", '""', "true", f"{2**64}")
    for number, key in enumerate(keys):
        attributes = {"item": {"S": key}, "due_bucket": {"S": str(number)}, "due_at": {"N": "1"}}
        world.client.put_item(TableName="decisions", Item=attributes)
    world.clock.advance(DEADLINE)
    capsys.readouterr()

    assert world.service(level="INFO").handle(SCHEDULED) == {"due": 20}

    tick, warning = (json.loads(each) for each in capsys.readouterr().out.splitlines())
    assert (tick["settled"], tick["failed"], tick["unreadable"]) == (20, 0, len(keys))
    assert tick["overdue_seconds"] == 0
    assert warning["level"] == "WARNING"
    assert warning["message"].startswith("keys in the table that are no item's are passed over: 6 ")
    assert len(world.stream.records) == 20
