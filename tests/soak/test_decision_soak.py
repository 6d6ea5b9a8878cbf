"""The decision service's soak, small, and what its reconciliation notices."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from streaming.decisions.check_results import Results
from streaming.decisions.item_state import ItemState, advance
from streaming.decisions.policy_file import decode_policy
from tests.soak.decision_soak import POLICY, counted, drawn_results, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

policy = decode_policy(POLICY, "the soak's")
DRAWN = drawn_results(30, random.Random(1))


def published() -> list[Any]:
    """Return what a service without faults publishes."""
    records = []
    for found in DRAWN:
        state: ItemState | None = None
        for number, data in enumerate([*found, None]):
            arrivals = []
            if data is not None:
                arrival = Results(policy).decode(data, 0.0)
                assert arrival is not None
                arrivals = [arrival]
                state = state or ItemState(arrival.item, 0.0)
            assert state is not None
            now = float(policy.deadline_seconds) if number else 0.0
            state = advance(state, arrivals, policy, now)
            if state.outbox is not None:
                records.append(msgspec.to_builtins(state.outbox))
                state = advance(state, (), policy, now, state.outbox.event_id)
    return records


def test_a_run_without_faults_reconciles() -> None:
    soak = counted(policy, DRAWN, published())

    assert (soak.lost, soak.made_twice) == (0, 0)
    assert soak.decisions == soak.published > soak.items
    assert soak.revised == soak.decisions - soak.items


def lost(records: list[Any]) -> None:
    del records[-1]


def another_content(records: list[Any]) -> None:
    records.append(copy.deepcopy(records[0]))
    records[-1]["prediction"]["reason"] = "Another."


def repeated(records: list[Any]) -> None:
    records.append(copy.deepcopy(records[-1]))
    records[-1]["prediction"]["decision"] += 1


def wrong(records: list[Any]) -> None:
    records[-1]["prediction"]["outcome"] = "another"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(lost, (1, 0)), (another_content, (0, 1)), (repeated, (0, 1)), (wrong, (1, 0))],
)
def test_the_reconciliation_notices(
    fault: Callable[[list[Any]], None], expected: tuple[int, int]
) -> None:
    records = published()
    fault(records)

    soak = counted(policy, DRAWN, records)

    assert (soak.lost, soak.made_twice) == expected


def test_under_faults_no_decision_is_lost_or_made_twice(tmp_path: Path) -> None:
    soak = run(40, 1, tmp_path)

    assert (soak.lost, soak.made_twice, soak.undecided) == (0, 0, 0)
    assert soak.decisions >= soak.items > 30
    assert soak.faults
