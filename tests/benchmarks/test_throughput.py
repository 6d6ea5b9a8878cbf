from __future__ import annotations

import pytest

from benchmarks.contenders import HANDLERS
from benchmarks.throughput import Cell, in_rounds, schedule


def test_contenders_take_turns_and_the_slow_ones_run_as_often_as_scheduled() -> None:
    cells = [Cell("ours", 1, 1, rounds=6), Cell("course", 1, 1, rounds=2)]

    order = [cell.contender for cell in in_rounds(cells)]

    assert order == ["ours", "ours", "ours", "course"] * 2


@pytest.mark.parametrize("quick", [True, False])
def test_every_contender_is_measured_at_a_thousand_records(*, quick: bool) -> None:
    cells = schedule(quick=quick)

    assert {cell.contender for cell in cells if cell.batch == 1_000} == set(HANDLERS)
