"""Fit one model: tables, then gradient-boosted trees on what the tables leave unexplained."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import Progress
from sklearn.ensemble import HistGradientBoostingRegressor

from training.errors import TripDataError
from training.features import FEATURES, Tables, count_tables, look_up
from training.trips import Array, Rides, card_trips, inputs
from training.zones import load_zones

NOISE = 0.15
"""Standard deviation of an estimated distance's error, as a share of the distance."""

_SHORTEST = 0.01  # miles: an estimate is never 0, which would mean that there is none


@dataclass(frozen=True, slots=True)
class Parameters:
    """How a model is fitted.

    Attributes:
        trees, leaves: How many trees, and leaves in each at most.
        learning_rate, min_samples_leaf, l2_regularization, max_features: As scikit-learn's
            HistGradientBoostingRegressor has them.
        folds: Parts that the trips are dealt into: each part's lookups come from the others.
        estimated, unknown: Shares of the trips that are learnt with an estimated distance, and
            with none.
        seed: Of everything random.
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
    """What is predicted.

    Attributes:
        name: Its key in the bundle, and its column among the trips.
        model: The registered model's name.
        unit: Of the prediction.
        tolerance: The largest parity error that an export allows, in this unit.
        parameters: How its model is fitted.
        trips: Those among some trips whose target is known.
    """

    name: str
    model: str
    unit: str
    tolerance: float
    parameters: Parameters
    trips: Callable[[pd.DataFrame], pd.DataFrame]


DURATION = Target(
    name="duration",
    model="ride-duration",
    unit="minutes",
    tolerance=3.0,
    parameters=Parameters(trees=40, leaves=255, learning_rate=0.2, min_samples_leaf=60),
    trips=lambda trips: trips,
)
TIP = Target(
    name="tip",
    model="ride-tip",
    unit="US dollars",
    tolerance=1.0,
    parameters=Parameters(trees=40, leaves=31, learning_rate=0.15, min_samples_leaf=80),
    trips=card_trips,
)
TARGETS = (DURATION, TIP)


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model as scikit-learn computes it.

    Attributes:
        target: What it predicts.
        tables: Lookups, counted from all trips of the training.
        trees: Predicts the target less the tables' guess.
        trips: How many it was fitted to.
    """

    target: Target
    tables: Tables
    trees: HistGradientBoostingRegressor
    trips: int

    def predict(self, rides: Rides) -> Array:
        """Predict the target in its unit, never below 0; float32 [N]."""
        features, guess = look_up(self.tables, rides)
        left: Array = self.trees.predict(features).astype(np.float32)
        prediction: Array = np.maximum(left + guess, 0)
        return prediction


def known(target: Target, trips: pd.DataFrame) -> tuple[dict[str, Array], Array]:
    """Return the inputs and the target of those trips whose target is known.

    Raises:
        TripDataError: It is known of none.
    """
    chosen = target.trips(trips)
    if chosen.empty:
        raise TripDataError(f"the {target.name} is not known of any of {len(trips):,} trips")
    return inputs(chosen), chosen[target.name].to_numpy()


def fit(target: Target, trips: pd.DataFrame, progress: Progress) -> FittedModel:
    """Fit a model of `target` to those of `trips` whose target is known.

    Each trip is looked up in tables that were counted without it (out-of-fold target encoding):
    in its own tables a trip of a rare pair would find its own answer.
    """
    parameters = target.parameters
    rides, truth = known(target, trips)
    rng = np.random.default_rng(parameters.seed)
    zones = load_zones()
    seen = {**rides, "trip_distance": _as_seen(rides["trip_distance"], parameters, rng)}
    fold = rng.integers(0, parameters.folds, len(truth))
    features = np.empty((len(truth), len(FEATURES)), np.float32)
    guess = np.empty(len(truth), np.float32)
    for part in progress.track(range(parameters.folds), description=f"{target.name}: look up"):
        tables = count_tables(_where(rides, fold != part), truth[fold != part], zones)
        features[fold == part], guess[fold == part] = look_up(tables, _where(seen, fold == part))
    task = progress.add_task(f"{target.name}: fit {parameters.trees} trees", total=None)
    trees = _regressor(parameters).fit(features, truth - guess)
    progress.update(task, total=1, completed=1)
    return FittedModel(target, count_tables(rides, truth, zones), trees, len(truth))


def with_noise(rides: Rides, seed: int = 0) -> Rides:
    """Return the rides with distances as they would be estimated at their start."""
    rng = np.random.default_rng(seed)
    return {**rides, "trip_distance": _estimate(rides["trip_distance"], rng)}


def _as_seen(distance: Array, parameters: Parameters, rng: np.random.Generator) -> Array:
    """Return a mix of exact, estimated and unknown distances."""
    lot = rng.random(len(distance))
    mixed = np.where(lot < parameters.estimated, _estimate(distance, rng), distance)
    return np.where(lot >= 1 - parameters.unknown, np.float32(0), mixed)


def _regressor(parameters: Parameters) -> HistGradientBoostingRegressor:
    # No `categorical_features`: skl2onnx converts them wrong.
    return HistGradientBoostingRegressor(
        max_iter=parameters.trees,
        max_leaf_nodes=parameters.leaves,
        learning_rate=parameters.learning_rate,
        min_samples_leaf=parameters.min_samples_leaf,
        l2_regularization=parameters.l2_regularization,
        max_features=parameters.max_features,
        early_stopping=False,
        random_state=parameters.seed,
    )


def _where(rides: Rides, chosen: NDArray[np.bool_]) -> dict[str, Array]:
    return {name: values[chosen] for name, values in rides.items()}


def _estimate(distance: Array, rng: np.random.Generator) -> Array:
    factor = 1 + NOISE * rng.standard_normal(len(distance), dtype=np.float32)
    return np.maximum(distance * factor, np.float32(_SHORTEST))
