import numpy as np
import pytest

from training.metrics import measure, measure_range

TRUTH = np.array([1, 2, 3, 4], np.float32)


def test_metrics_follow_the_usual_formulas() -> None:
    metrics = measure(np.array([1, 2, 3, 8], np.float32), TRUTH)

    assert metrics.rmse == 2
    assert metrics.mae == 1
    assert metrics.r2 == pytest.approx(1 - 16 / 5)
    assert metrics.bias == 1


def test_r2_is_0_for_the_mean_and_1_for_the_truth() -> None:
    assert measure(np.full(4, 2.5, np.float32), TRUTH).r2 == 0
    assert measure(TRUTH, TRUTH).r2 == 1


def test_metrics_are_named_and_rounded_for_a_run() -> None:
    named = measure(TRUTH + 1, TRUTH).named("test")

    assert named == {"test_rmse": 1.0, "test_mae": 1.0, "test_r2": 0.2, "test_bias": 1.0}


def test_a_range_is_measured_by_the_shares_inside_below_and_above_it() -> None:
    low, high = np.array([0, 2, 4, 0], np.float32), np.array([2, 2, 8, 3], np.float32)

    coverage = measure_range(low, high, TRUTH)

    assert (coverage.inside, coverage.below, coverage.above) == (0.5, 0.25, 0.25)
    assert coverage.width == (2 + 0 + 4 + 3) / 4
    assert coverage.named("test")["test_inside"] == 0.5
