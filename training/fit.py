"""Fit one model: lookup tables, then gradient-boosted trees on the tables' residuals."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import Progress

from training.errors import TripDataError
from training.features import FEATURES, Tables, build_tables, look_up
from training.trips import Array, Rides, card_trips, inputs
from training.zones import load_zones

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

QUANTILES = (0.1, 0.9)
"""The ends of a range: shares of the trips below it."""

NOISE = 0.15
"""Standard deviation of an estimated distance's error, as a share of the distance."""

_SHORTEST = 0.01  # miles; an estimate is never 0, which would mean an unknown distance
_NEWEST = 0.99  # quantile of the pick-ups: some taxis' clocks are months ahead
_DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Parameters:
    """How a model is fitted.

    Attributes:
        trees, leaves: Number of trees and maximum number of leaves per tree.
        learning_rate, min_samples_leaf, l2_regularization, max_features: As in scikit-learn's
            HistGradientBoostingRegressor; a trip is two samples.
        folds: Number of folds; each is looked up in tables built from the others.
        half_life: Age in months, before the newest trips, at which a trip's weight is a half.
        estimated: Each trip is trained on with its exact distance and with an estimated one; this
            is the second's share of the weight.
        unknown: Share of the trips that are trained on with an unknown distance.
        level_share: Share of the error in the level that `training.level.set_level` corrects.
        seed: For all random numbers.
    """

    trees: int
    leaves: int
    learning_rate: float
    min_samples_leaf: int
    l2_regularization: float = 5.0
    max_features: float = 0.5
    folds: int = 5
    half_life: float = 12.0
    estimated: float = 0.5
    unknown: float = 0.03
    level_share: float = 0.75
    seed: int = 0


RANGE_PARAMETERS = (
    *("trees", "leaves", "learning_rate", "min_samples_leaf"),
    *("l2_regularization", "max_features", "seed"),
)
"""The parameters that a range's trees have of their own."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target variable and how its model is fitted.

    Attributes:
        name: Its key in the bundle and its column in the trips.
        model: The registered model's name.
        unit: The unit of its values.
        tolerance: The largest parity error allowed in an export, in this unit.
        parameters: How its model is fitted.
        select: Returns the trips for which the target is known.
        range: How the trees of its range are fitted, on the same samples; None: it has no range.
    """

    name: str
    model: str
    unit: str
    tolerance: float
    parameters: Parameters
    select: Callable[[pd.DataFrame], pd.DataFrame]
    range: Parameters | None = None

    def logged_parameters(self) -> dict[str, float]:
        """Return the parameters of the model, and as `range_<name>` those of its range's trees."""
        of_range = {} if self.range is None else asdict(self.range)
        return asdict(self.parameters) | {
            f"range_{name}": of_range[name] for name in RANGE_PARAMETERS if of_range
        }


DURATION = Target(
    name="duration",
    model="ride-duration",
    unit="minutes",
    tolerance=3.0,
    parameters=Parameters(trees=60, leaves=255, learning_rate=0.13, min_samples_leaf=120),
    range=Parameters(trees=20, leaves=31, learning_rate=0.2, min_samples_leaf=200),
    select=lambda trips: trips,
)
TIP = Target(
    name="tip",
    model="ride-tip",
    unit="US dollars",
    tolerance=1.0,
    parameters=Parameters(
        trees=60,
        leaves=63,
        learning_rate=0.08,
        min_samples_leaf=600,
        l2_regularization=20.0,
        max_features=0.3,
        half_life=6.0,
    ),
    select=card_trips,
)
TARGETS = (DURATION, TIP)


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A fitted model, computed with numpy and scikit-learn.

    Attributes:
        target: What it predicts.
        tables: Lookup tables, built from all training trips.
        trees: Predicts the target minus the tables' guess.
        range_trees: The same for each of `QUANTILES`; empty if the target has no range.
        trips: Number of trips that it was fitted to.
        level: Factor on every prediction; see `training.level`.
    """

    target: Target
    tables: Tables
    trees: "HistGradientBoostingRegressor"
    range_trees: "tuple[HistGradientBoostingRegressor, ...]"
    trips: int
    level: float = 1.0

    def predict(self, rides: Rides) -> Array:
        """Predict the target, in its unit and never below 0; float32 [N]."""
        return self._predict(self.trees, *look_up(self.tables, rides))

    def outputs(self, rides: Rides) -> tuple[Array, ...]:
        """Return the prediction and, of a target with a range, its low and high end.

        0 <= low <= prediction <= high; each float32 [N].
        """
        found = look_up(self.tables, rides)
        prediction = self._predict(self.trees, *found)
        if not self.range_trees:
            return (prediction,)
        low, high = (self._predict(trees, *found) for trees in self.range_trees)
        return prediction, np.minimum(low, prediction), np.maximum(high, prediction)

    def _predict(
        self, trees: "HistGradientBoostingRegressor", features: Array, guess: Array
    ) -> Array:
        residual: Array = trees.predict(features).astype(np.float32)
        prediction: Array = np.maximum((residual + guess) * np.float32(self.level), 0)
        return prediction


def inputs_and_target(target: Target, trips: pd.DataFrame) -> tuple[dict[str, Array], Array]:
    """Return the inputs and the target values of the trips for which the target is known.

    Raises:
        TripDataError: The target is not known for any trip.
    """
    chosen = _known(target, trips)
    return inputs(chosen), chosen[target.name].to_numpy()


def fit(target: Target, trips: pd.DataFrame, progress: Progress) -> FittedModel:
    """Fit a model to the trips for which the target is known.

    Each trip is looked up in tables that were built without it (out-of-fold target encoding):
    otherwise the features of a trip between a rare pair of zones would reveal its target.

    Raises:
        TripDataError: The target is not known for any trip.
    """
    parameters = target.parameters
    chosen = _known(target, trips)
    rides, truth = inputs(chosen), chosen[target.name].to_numpy()
    weight = _recency(chosen["pickup"], parameters.half_life)
    rng = np.random.default_rng(parameters.seed)
    copies = [
        ({**rides, "trip_distance": _hide(distance, parameters.unknown, rng)}, share)
        for distance, share in (
            (rides["trip_distance"], 1 - parameters.estimated),
            (_estimate(rides["trip_distance"], rng), parameters.estimated),
        )
        if share
    ]
    fold = rng.integers(0, parameters.folds, (len(copies), len(truth)))
    features = np.empty((len(copies), len(truth), len(FEATURES)), np.float32)
    guess = np.empty((len(copies), len(truth)), np.float32)
    parts = [(copy, part) for copy in range(len(copies)) for part in range(parameters.folds)]
    for copy, part in progress.track(parts, description=f"{target.name}: look up"):
        inside = fold[copy] == part
        tables = _tables(rides, truth, weight, ~inside)
        found = look_up(tables, _where(copies[copy][0], inside))
        features[copy, inside], guess[copy, inside] = found
    trees, *range_trees = _fit_trees(
        target,
        features.reshape(-1, len(FEATURES)),
        (truth - guess).ravel(),
        np.concatenate([weight * share for _, share in copies]),
        progress,
    )
    tables = _tables(rides, truth, weight, np.ones(len(truth), bool))
    return FittedModel(target, tables, trees, tuple(range_trees), len(truth))


def with_noise(rides: Rides) -> Rides:
    """Return the rides with distances as they would be estimated at the start of the ride."""
    rng = np.random.default_rng(0)
    return {**rides, "trip_distance": _estimate(rides["trip_distance"], rng)}


def _known(target: Target, trips: pd.DataFrame) -> pd.DataFrame:
    chosen = target.select(trips)
    if chosen.empty:
        raise TripDataError(f"the {target.name} is not known for any of {len(trips):,} trips")
    return chosen


def _recency(pickup: "pd.Series[pd.Timestamp]", half_life: float) -> Array:
    """Return each trip's weight: 1 for the newest, a half at an age of `half_life` months."""
    days = (pickup.quantile(_NEWEST) - pickup).dt.total_seconds().to_numpy() / 86_400
    weight: Array = np.exp2(-np.maximum(days, 0) / _DAYS_A_MONTH / half_life).astype(np.float32)
    return weight


def _tables(rides: Rides, truth: Array, weight: Array, chosen: NDArray[np.bool_]) -> Tables:
    return build_tables(_where(rides, chosen), truth[chosen], weight[chosen], load_zones())


def _fit_trees(
    target: Target, features: Array, residual: Array, weight: Array, progress: Progress
) -> "list[HistGradientBoostingRegressor]":
    """Return the fitted trees of the prediction and of each end of its range, if it has one."""
    regressors = [_regressor(target.parameters)]
    if target.range is not None:
        regressors += [_regressor(target.range, quantile) for quantile in QUANTILES]
    count = sum(regressor.max_iter for regressor in regressors)
    task = progress.add_task(f"{target.name}: fit {count} trees", total=count)
    with redirect_stdout(_TreeCount(lambda: progress.advance(task))):
        return [regressor.fit(features, residual, weight) for regressor in regressors]


def _hide(distance: Array, share: float, rng: np.random.Generator) -> Array:
    """Return the distances, a share of them unknown."""
    return np.where(rng.random(len(distance)) < share, np.float32(0), distance)


class _TreeCount(io.TextIOBase):
    """Standard output for scikit-learn, whose only news of a fit are lines such as `[3/40] ...`.

    Args:
        advance: Called for each tree.
    """

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance

    def write(self, text: str) -> int:
        """Count a tree, and print nothing."""
        if text.startswith("["):
            self._advance()
        return len(text)


def _regressor(
    parameters: Parameters, quantile: float | None = None
) -> "HistGradientBoostingRegressor":
    """Return trees that predict the mean or a quantile."""
    # Whoever only names the targets, as the registry's programs do, need not wait for it.
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415

    # No `categorical_features`: skl2onnx converts them incorrectly.
    return HistGradientBoostingRegressor(
        loss="squared_error" if quantile is None else "quantile",
        quantile=quantile,
        max_iter=parameters.trees,
        max_leaf_nodes=parameters.leaves,
        learning_rate=parameters.learning_rate,
        min_samples_leaf=parameters.min_samples_leaf,
        l2_regularization=parameters.l2_regularization,
        max_features=parameters.max_features,
        early_stopping=False,
        random_state=parameters.seed,
        verbose=2,  # see _TreeCount
    )


def _where(rides: Rides, chosen: NDArray[np.bool_]) -> dict[str, Array]:
    return {name: values[chosen] for name, values in rides.items()}


def _estimate(distance: Array, rng: np.random.Generator) -> Array:
    factor = 1 + NOISE * rng.standard_normal(len(distance), dtype=np.float32)
    return np.maximum(distance * factor, np.float32(_SHORTEST))
