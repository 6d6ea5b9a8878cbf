"""Makes the reference's model: a random forest behind a DictVectorizer, saved by MLflow.

It learns from drawn rides, so that a benchmark needs no trip records. How long it takes for one
ride hardly depends on what it learnt. Run as `python -m benchmarks.reference_model <folder>`.
"""

import itertools
import sys
from datetime import datetime
from pathlib import Path
from random import Random

import mlflow
import numpy as np

from demo.ride_generator import generate_rides, read_statistics
from training.baselines import BASELINES, fit_baseline

RIDES = 20_000
SEED = 1
MINUTES_AT_START, MINUTES_PER_MILE, NOISE = 4.0, 4.0, 3.0
COLUMNS = ("PULocationID", "DOLocationID", "trip_distance")


def save(folder: Path, rides: int = RIDES) -> None:
    """Fit and save the model.

    Args:
        folder: Where to; it must not exist.
        rides: How many to learn from.
    """
    drawn = generate_rides(
        read_statistics(),
        Random(SEED),  # noqa: S311  the same rides in every run
        first_ride_id=1,
        week=datetime(2025, 2, 24),  # noqa: DTZ001  New York's local time
    )
    events = [event["ride"] for event in itertools.islice(drawn, rides)]
    columns = {name: np.array([ride[name] for ride in events], np.float32) for name in COLUMNS}
    noise = np.random.default_rng(SEED).normal(0, NOISE, rides)
    minutes = MINUTES_AT_START + MINUTES_PER_MILE * columns["trip_distance"] + noise
    forest = next(each for each in BASELINES if each.name == "random forest")
    pipeline = fit_baseline(forest, columns, minutes.astype(np.float32))
    pipeline[-1].n_jobs = 1  # a pool of threads would cost a single ride more than its trees do
    mlflow.sklearn.save_model(pipeline, str(folder), serialization_format="cloudpickle")


if __name__ == "__main__":
    save(Path(sys.argv[1]))
