"""Measure the error of predictions."""

from dataclasses import asdict, dataclass

import numpy as np

from training.trips import Array


@dataclass(frozen=True, slots=True)
class Metrics:
    """Errors in the target's unit.

    Attributes:
        rmse: Root of the mean squared error.
        mae: Mean absolute error.
        r2: Share of the target's variance that the predictions explain.
        bias: Mean of prediction minus truth.
    """

    rmse: float
    mae: float
    r2: float
    bias: float

    def named(self, name: str) -> dict[str, float]:
        """Return the metrics as `<name>_rmse` and so on, rounded to four decimals."""
        return {f"{name}_{metric}": round(value, 4) for metric, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a range compares with the true values.

    Attributes:
        inside, below, above: Shares of the true values that are in the range, below it, above it.
        width: Mean width, in the target's unit.
    """

    inside: float
    below: float
    above: float
    width: float

    def named(self, name: str) -> dict[str, float]:
        """Return the values as `<name>_inside` and so on, rounded to four decimals."""
        return {f"{name}_{key}": round(value, 4) for key, value in asdict(self).items()}


def measure(prediction: Array, truth: Array) -> Metrics:
    """Compare predictions with the true values; both [N]."""
    error = prediction.astype(np.float64) - truth
    squares = error @ error
    return Metrics(
        rmse=float(np.sqrt(squares / len(error))),
        mae=float(np.abs(error).mean()),
        r2=float(1 - squares / np.sum((truth - truth.mean(dtype=np.float64)) ** 2)),
        bias=float(error.mean()),
    )


def measure_range(low: Array, high: Array, truth: Array) -> Coverage:
    """Compare a range with the true values; all [N]."""
    below, above = float(np.mean(truth < low)), float(np.mean(truth > high))
    return Coverage(
        inside=1 - below - above,
        below=below,
        above=above,
        width=float(np.mean(high - low, dtype=np.float64)),
    )
