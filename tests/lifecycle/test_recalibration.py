from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from lifecycle.errors import RetrainingError
from lifecycle.recalibration import (
    BOUND,
    KEPT_DAYS,
    RECALIBRATION,
    daily_factors,
    learn,
    level_of,
    then_known,
    with_level,
)
from tests.training.city import QUIET, SMALL_DURATION, city_trips
from training.export import run_outputs
from training.fit import fit
from training.graph import to_onnx
from training.trips import inputs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FIRST = np.datetime64("2025-03-01T08:15")


def factors(ratios: list[float], predicted: float = 100.0) -> NDArray[np.float64]:
    """Return the daily factors of days whose truth is the prediction times a ratio."""
    sums = np.full(len(ratios), predicted)
    return daily_factors(sums, sums * ratios)


def test_the_factor_approaches_the_ratio_of_what_happens() -> None:
    found = factors([1.1] * 200)

    assert found[0] == 1
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(1.1, abs=0.05)


def test_one_odd_day_hardly_moves_the_factor() -> None:
    calm = [1.0] * 30

    assert factors([*calm, 1.5])[-1] < 1.03
    assert factors([1.5])[-1] < 1.07


def test_a_day_has_no_part_in_its_own_factor() -> None:
    ratios = [1.05, 0.98, 1.1, 1.02]

    changed = factors([*ratios[:2], 0.5, *ratios[3:]])

    np.testing.assert_array_equal(changed[:3], factors(ratios)[:3])
    assert changed[3] != factors(ratios)[3]


def test_older_days_are_forgotten() -> None:
    assert factors([1.2] * 60 + [1.0] * 60)[-1] < 1.02


@pytest.mark.parametrize(("ratio", "bound"), [(100.0, 1 + BOUND), (0.0, 1 - BOUND)])
def test_the_factor_is_bounded(ratio: float, bound: float) -> None:
    assert factors([ratio] * 100)[-1] == bound


def test_days_without_rides_only_age_the_others() -> None:
    found = daily_factors(np.array([100.0, 0, 0, 0]), np.array([110.0, 0, 0, 0]))

    assert 1 < found[-1] < found[1] < 1.1
    assert daily_factors(np.zeros(3), np.zeros(3)).tolist() == [1, 1, 1, 1]


def test_what_is_learnt_is_measured_with_the_factors_of_the_days_before() -> None:
    days = np.repeat(np.arange(60), 20)
    prediction = np.full(len(days), 10, np.float32)

    found = learn(FIRST + days.astype("timedelta64[D]"), prediction, prediction * np.float32(1.1))

    assert (len(found.factors), found.rides) == (60, 1200)
    assert list(found.factors.values()) == pytest.approx(factors([1.1] * 60)[:-1], rel=1e-5)
    assert found.before == pytest.approx(1, rel=1e-4)
    assert 0 < found.after < found.before
    assert found.bias == pytest.approx(10 * factors([1.1] * 60)[:-1].mean() - 11, abs=1e-3)
    assert found.factor == pytest.approx(factors([1.1] * 60)[-1], rel=1e-5)


def test_a_model_is_compared_with_the_factor_that_each_day_had() -> None:
    days = np.repeat(np.arange(KEPT_DAYS + 10), 20)
    pickup = FIRST + days.astype("timedelta64[D]")
    prediction = np.full(len(days), 10, np.float32)
    found = learn(pickup, prediction, prediction * np.float32(1.1))
    record = {RECALIBRATION: found.to_record(1.02)}

    then = then_known(record, pickup + np.timedelta64(1, "D"))

    assert len(record[RECALIBRATION]["factors"]) == KEPT_DAYS
    expected = [*found.factors.values(), found.factor][10:]
    np.testing.assert_allclose(found.factor * then[9 * 20 :: 20], expected, rtol=1e-5)
    np.testing.assert_array_equal(then_known({}, pickup), 1)


def test_a_level_in_the_graph_applies_to_the_prediction_and_its_range(tmp_path: Path) -> None:
    trips = city_trips(tmp_path)
    graph = to_onnx(fit(SMALL_DURATION, trips, QUIET))

    slower = with_level(graph, 1.04)

    assert [level_of(graph), level_of(slower)] == pytest.approx([1, 1.04])
    for before, after in zip(
        *(run_outputs(each, inputs(trips)) for each in (graph, slower)), strict=True
    ):
        np.testing.assert_allclose(after, 1.04 * before, rtol=1e-5)


def test_a_graph_without_a_level_is_refused() -> None:
    for call in (level_of, lambda graph: with_level(graph, 1.1)):
        with pytest.raises(RetrainingError, match="has 0 constants 'level'"):
            call(onnx.ModelProto())
