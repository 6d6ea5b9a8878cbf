"""Recalibration: a factor on a model's predictions, learnt day by day, without new trees.

A city slows down and speeds up as a whole, by season and over the years, which no feature says. The
ratio of what happened to what was predicted says it, within days. It also differs from day to day
by weather, holidays and events, which say nothing about the days to come. So the factor for a day
forgets days with a half-life, and is pulled towards 1 as if there had been days without an error:

    factor = 1 + (sum of truths / sum of predictions - 1) * days / (days + PRIOR_DAYS)

over the days before, each with a weight that halves every `HALF_LIFE_DAYS`; `days` is the sum of
the weights. Both numbers were chosen on validation months; docs/models.md has the figures.

What is worth promoting is a factor that is learnt anew each day: one that is two weeks old may be
worse than none. So a recalibrated model's record keeps the factors of the last days, and a
comparison on these days gives each the factor that was known on its morning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from lifecycle.errors import RetrainingError

HALF_LIFE_DAYS = 7.0
PRIOR_DAYS = 7.0
"""So many days without an error are assumed."""

KEPT_DAYS = 60
"""The factors of so many days are kept in a model's record."""

RECALIBRATION = "recalibration"
"""The key of a training record under which a recalibrated model keeps what `to_record` returns."""

BOUND = 0.25
"""The factor is from 1 - BOUND to 1 + BOUND: beyond it, the labels or the events are wrong."""

LEVEL = "level"
"""The factor in a graph of `training.graph`; it applies to the prediction and to its range."""


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What was learnt from labelled rides.

    Attributes:
        factors: By day, from the first ride's to the last one's: learnt from the days before it.
        factor: For the days after them.
        rides: Number of rides.
        before: RMSE of these rides without a factor, in the target's unit.
        after: RMSE with the factor of each day, which knows only the days before.
        bias: Mean of prediction minus truth, with these factors.
    """

    factors: Mapping[np.datetime64, float]
    factor: float
    rides: int
    before: float
    after: float
    bias: float

    def to_record(self, base: float) -> dict[str, Any]:
        """Return what a recalibrated model's training record keeps.

        Args:
            base: The level of the model before any recalibration.
        """
        kept = list(self.factors.items())[-KEPT_DAYS:]
        return {
            "base_level": round(base, 6),
            "factor": self.factor,
            "factors": {str(day): round(factor, 6) for day, factor in kept},
        }


def learn(
    pickup: NDArray[np.datetime64], prediction: NDArray[np.float32], truth: NDArray[np.float32]
) -> Recalibration:
    """Learn a factor from labelled rides.

    Args:
        pickup: New York local time; [N], N > 0.
        prediction: Without a factor, in the target's unit; [N].
        truth: What happened; [N].
    """
    date = pickup.astype("datetime64[D]")
    day = (date - date.min()).astype(np.int64)
    days = int(day.max()) + 1
    predicted, happened = np.zeros(days), np.zeros(days)
    np.add.at(predicted, day, prediction)
    np.add.at(happened, day, truth)
    factors = daily_factors(predicted, happened)
    before = prediction.astype(np.float64) - truth
    after = prediction * factors[day] - truth
    return Recalibration(
        factors=dict(zip(date.min() + np.arange(days), factors.tolist(), strict=False)),
        factor=float(factors[-1]),
        rides=len(day),
        before=float(np.sqrt(np.mean(before**2))),
        after=float(np.sqrt(np.mean(after**2))),
        bias=float(np.mean(after)),
    )


def daily_factors(
    predicted: NDArray[np.float64], happened: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the factor of each day, from the days before it, and that of the day after the last.

    Args:
        predicted: Sum of the predictions without a factor, by day; [D]. Days without rides have 0.
        happened: Sum of the true values; [D].

    Returns:
        [D + 1]; the first is 1.
    """
    kept = 0.5 ** (1 / HALF_LIFE_DAYS)
    sums, factors = np.zeros(3), [1.0]
    for day_predicted, day_happened in zip(predicted, happened, strict=True):
        sums = sums * kept + (day_predicted, day_happened, day_predicted > 0)
        total_predicted, total_happened, days = sums
        error = total_happened / total_predicted - 1 if total_predicted else 0.0
        factors.append(1 + float(np.clip(error * days / (days + PRIOR_DAYS), -BOUND, BOUND)))
    return np.array(factors)


def then_known(record: Mapping[str, Any], pickup: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return what a model's predictions are multiplied by, to be those of each ride's day.

    Args:
        record: The model's training record; without a recalibration, it is 1 on all days.
        pickup: New York local time; [N].
    """
    if not (found := record.get(RECALIBRATION)):
        return np.ones(len(pickup))
    dates, of_ride = np.unique(pickup.astype("datetime64[D]"), return_inverse=True)
    last = found["factor"]
    factors: NDArray[np.float64] = np.array(
        [found["factors"].get(str(date), last) / last for date in dates]
    )[of_ride]
    return factors


def with_level(graph: onnx.ModelProto, level: float) -> onnx.ModelProto:
    """Return a copy of a graph whose predictions and ranges have another level.

    Raises:
        RetrainingError: The graph has no level.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    _level(changed).CopyFrom(numpy_helper.from_array(np.asarray(level, np.float32), LEVEL))
    return changed


def level_of(graph: onnx.ModelProto) -> float:
    """Return a graph's level.

    Raises:
        RetrainingError: The graph has none.
    """
    return float(numpy_helper.to_array(_level(graph)))


def _level(graph: onnx.ModelProto) -> onnx.TensorProto:
    found: list[onnx.TensorProto] = [v for v in graph.graph.initializer if v.name == LEVEL]
    if len(found) != 1:
        raise RetrainingError(
            f"the graph has {len(found)} constants {LEVEL!r}; only a graph of `make train`, with "
            "one, can be recalibrated"
        )
    return found[0]
