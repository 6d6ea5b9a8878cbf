"""Fit one model: lookup tables, then gradient-boosted trees on the tables' residuals."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import Progress
from sklearn.ensemble import HistGradientBoostingRegressor

from training.errors import TripDataError
from training.features import FEATURES, Tables, build_tables, look_up
from training.trips import Array, Rides, card_trips, inputs
from training.zones import load_zones

NOISE = 0.15
"""Standard deviation of an estimated distance's error, as a share of the distance."""

_SHORTEST = 0.01  # miles; an estimate is never 0, which would mean an unknown distance


@dataclass(frozen=True, slots=True)
class Parameters:
    """How a model is fitted.

    Attributes:
        trees, leaves: Number of trees and maximum number of leaves per tree.
        learning_rate, min_samples_leaf, l2_regularization, max_features: As in scikit-learn's
            HistGradientBoostingRegressor.
        folds: Number of folds; each is looked up in tables built from the others.
        estimated, unknown: Shares of the trips that are trained on with an estimated distance
            and with an unknown one.
        seed: For all random numbers.
    """

    trees: int
    leaves: int
    learning_rate: float
    min_samples_leaf: int
    l2_regularization: float = 5.0
    max_features: float = 0.5
    folds: int = 5
    estimated: float = 0.5
    unknown: float = 0.03
    seed: int = 0


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
    """

    name: str
    model: str
    unit: str
    tolerance: float
    parameters: Parameters
    select: Callable[[pd.DataFrame], pd.DataFrame]


DURATION = Target(
    name="duration",
    model="ride-duration",
    unit="minutes",
    tolerance=3.0,
    parameters=Parameters(trees=40, leaves=255, learning_rate=0.2, min_samples_leaf=60),
    select=lambda trips: trips,
)
TIP = Target(
    name="tip",
    model="ride-tip",
    unit="US dollars",
    tolerance=1.0,
    parameters=Parameters(trees=40, leaves=31, learning_rate=0.15, min_samples_leaf=80),
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
        trips: Number of trips that it was fitted to.
    """

    target: Target
    tables: Tables
    trees: HistGradientBoostingRegressor
    trips: int

    def predict(self, rides: Rides) -> Array:
        """Predict the target, in its unit and never below 0; float32 [N]."""
        features, guess = look_up(self.tables, rides)
        residual: Array = self.trees.predict(features).astype(np.float32)
        prediction: Array = np.maximum(residual + guess, 0)
        return prediction


def inputs_and_target(target: Target, trips: pd.DataFrame) -> tuple[dict[str, Array], Array]:
    """Return the inputs and the target values of the trips for which the target is known.

    Raises:
        TripDataError: The target is not known for any trip.
    """
    chosen = target.select(trips)
    if chosen.empty:
        raise TripDataError(f"the {target.name} is not known for any of {len(trips):,} trips")
    return inputs(chosen), chosen[target.name].to_numpy()


def fit(target: Target, trips: pd.DataFrame, progress: Progress) -> FittedModel:
    """Fit a model to the trips for which the target is known.

    Each trip is looked up in tables that were built without it (out-of-fold target encoding):
    otherwise the features of a trip between a rare pair of zones would reveal its target.

    Raises:
        TripDataError: The target is not known for any trip.
    """
    parameters = target.parameters
    rides, truth = inputs_and_target(target, trips)
    rng = np.random.default_rng(parameters.seed)
    zones = load_zones()
    mixed = {**rides, "trip_distance": _mix_distances(rides["trip_distance"], parameters, rng)}
    fold = rng.integers(0, parameters.folds, len(truth))
    features = np.empty((len(truth), len(FEATURES)), np.float32)
    guess = np.empty(len(truth), np.float32)
    for part in progress.track(range(parameters.folds), description=f"{target.name}: look up"):
        tables = build_tables(_where(rides, fold != part), truth[fold != part], zones)
        features[fold == part], guess[fold == part] = look_up(tables, _where(mixed, fold == part))
    task = progress.add_task(f"{target.name}: fit {parameters.trees} trees", total=parameters.trees)
    with redirect_stdout(_TreeCount(lambda: progress.advance(task))):
        trees = _regressor(parameters).fit(features, truth - guess)
    return FittedModel(target, build_tables(rides, truth, zones), trees, len(truth))


def with_noise(rides: Rides) -> Rides:
    """Return the rides with distances as they would be estimated at the start of the ride."""
    rng = np.random.default_rng(0)
    return {**rides, "trip_distance": _estimate(rides["trip_distance"], rng)}


def _mix_distances(distance: Array, parameters: Parameters, rng: np.random.Generator) -> Array:
    """Return a mix of exact, estimated and unknown distances."""
    draw = rng.random(len(distance))
    mixed = np.where(draw < parameters.estimated, _estimate(distance, rng), distance)
    return np.where(draw >= 1 - parameters.unknown, np.float32(0), mixed)


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


def _regressor(parameters: Parameters) -> HistGradientBoostingRegressor:
    # No `categorical_features`: skl2onnx converts them incorrectly.
    return HistGradientBoostingRegressor(
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
