"""The model of the course's handler: a random forest behind a DictVectorizer, saved by MLflow.

It is trained on generated rides, so that the benchmark needs no trip records. The time of one
prediction hardly depends on what the forest has learnt.
"""

from pathlib import Path

import mlflow
import numpy as np

from benchmarks.ride_batches import SEED, rides
from training.baselines import BASELINES, fit_baseline

RIDES = 20_000
MINUTES_AT_START, MINUTES_PER_MILE, NOISE = 4.0, 4.0, 3.0
COLUMNS = ("PULocationID", "DOLocationID", "trip_distance")


def save(folder: Path, count: int = RIDES) -> None:
    """Fit and save the model.

    Args:
        folder: Where to save it; it must not exist.
        count: Number of rides to train on.
    """
    generated = [event["ride"] for event in rides(count)]
    columns = {name: np.array([ride[name] for ride in generated], np.float32) for name in COLUMNS}
    noise = np.random.default_rng(SEED).normal(0, NOISE, count)
    minutes = MINUTES_AT_START + MINUTES_PER_MILE * columns["trip_distance"] + noise
    forest = next(each for each in BASELINES if each.name == "random forest")
    pipeline = fit_baseline(forest, columns, minutes.astype(np.float32))
    pipeline[-1].n_jobs = 1  # a thread pool would cost a single ride more than its trees do
    mlflow.sklearn.save_model(pipeline, str(folder), serialization_format="cloudpickle")
