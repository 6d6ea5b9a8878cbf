"""The two usual beginner's models, as baselines for the comparison."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline

from training.trips import Array, Rides


@dataclass(frozen=True, slots=True)
class Baseline:
    """A regressor on the pair of zones, one-hot, and the distance.

    Attributes:
        name: As shown in the table.
        regressor: The unfitted estimator.
        max_trips: The most trips to fit it to; more are sampled at random.
    """

    name: str
    regressor: LinearRegression | RandomForestRegressor
    max_trips: int


BASELINES = (
    Baseline("linear regression", LinearRegression(), max_trips=10_000_000),
    Baseline(
        "random forest",
        RandomForestRegressor(
            n_estimators=100, max_depth=20, min_samples_leaf=10, n_jobs=-1, random_state=0
        ),
        max_trips=125_000,  # about two months; fits in half a minute
    ),
)


def fit_baseline(baseline: Baseline, rides: Rides, truth: Array) -> Pipeline:
    """Fit a baseline to rides and their target values, [N]."""
    rows = np.random.default_rng(0).permutation(len(truth))[: baseline.max_trips]
    chosen = {column: values[rows] for column, values in rides.items()}
    pipeline = make_pipeline(DictVectorizer(), clone(baseline.regressor))
    return pipeline.fit(_as_dicts(chosen), truth[rows])


def predict_baseline(model: Pipeline, rides: Rides) -> Array:
    """Predict the target, in its unit; [N]."""
    prediction: Array = model.predict(_as_dicts(rides))
    return prediction


def _as_dicts(rides: Rides) -> list[dict[str, str | float]]:
    """Return the input of a DictVectorizer, which one-hot encodes strings."""
    columns = (rides[name].tolist() for name in ("PULocationID", "DOLocationID", "trip_distance"))
    return [
        {"PU_DO": f"{pickup:.0f}_{dropoff:.0f}", "trip_distance": distance}
        for pickup, dropoff, distance in zip(*columns, strict=True)
    ]
