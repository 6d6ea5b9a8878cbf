from __future__ import annotations

import pytest

from benchmarks.results import Line, Spread


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert Spread.of([4, 1, 3, 2, 5]) == Spread(median=3, low=2, high=4, count=5)


def test_one_measurement_has_no_spread() -> None:
    assert Spread.of([7.0]) == Spread(median=7, low=7, high=7, count=1)


def test_a_line_through_points_of_a_line_is_that_line() -> None:
    line = Line.through([1, 10, 100], [5 + 2 * x for x in (1, 10, 100)])

    assert (line.slope, line.start, line.r_squared) == pytest.approx((2, 5, 1))
