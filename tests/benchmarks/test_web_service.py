"""The tables of `make bench-web`."""

from __future__ import annotations

import pytest

from benchmarks.web_contenders import FLASK, OURS
from benchmarks.web_service import CONNECTIONS, ROWS, Load, Measured, WebResults, _median, tables


def measured(service: str, a_second: float, failed: float = 0.0) -> list[Measured]:
    load = Load(a_second, 1_500.0, 2_000.0, 3_000.0, failed)
    return [Measured(service, each, rows, load) for each in CONNECTIONS for rows in ROWS]


def test_services_are_shown_beside_the_courses() -> None:
    results = WebResults({}, [*measured(OURS, 9_000.0), *measured(FLASK, 1_500.0, 7.0)], [])

    text = tables(results)

    assert f"| {OURS} | 32 | 9,000 | 6x | 1.50 | 2.00 | 3.00 |" in text
    assert f"| {FLASK} | 32 | 1,500 | 1x | 1.50 | 2.00 | 3.00 (7 failed) |" in text


def test_a_service_that_answers_nothing_has_no_ratio() -> None:
    results = WebResults({}, [*measured(OURS, 9.0), *measured(FLASK, 0.0)], [])

    assert f"| {OURS} | 1 | 9 | - |" in tables(results)


def test_the_median_of_rounds_is_taken_figure_by_figure() -> None:
    rounds = [Load(1, 30, 5, 5, 0), Load(3, 10, 5, 9, 0), Load(2, 20, 5, 7, 1)]

    found = _median(rounds)

    assert (found.a_second, found.p50, found.p99, found.p999, found.failed) == pytest.approx(
        (2, 20, 5, 7, 0)
    )
