"""A small made-up city whose trips are written in the TLC's format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.progress import Progress

from training.fit import DURATION, TIP, Parameters
from training.trips import INPUTS, read_trips
from training.zones import load_zones

if TYPE_CHECKING:
    from pathlib import Path

    from training.trips import Array

QUIET = Progress(disable=True)
SMALL = Parameters(trees=12, leaves=15, learning_rate=0.3, min_samples_leaf=10, folds=3)
SMALL_DURATION = replace(DURATION, parameters=SMALL, range=SMALL)
SMALL_TIP = replace(TIP, parameters=SMALL)

ZONES = (7, 41, 42, 74, 75, 95, 97, 129, 130, 166, 181, 205, 244, 264)


def rides(*rows: tuple[float, ...]) -> dict[str, Array]:
    """Return rides from rows of values in the order of `INPUTS`."""
    return dict(zip(INPUTS, np.array(rows, np.float32).T, strict=True))


def tlc_table(month: str = "2023-01", trips: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Return a month with the columns of 2023; duration depends on distance and rush hours."""
    rng = np.random.default_rng(seed)
    pickup_zone, dropoff_zone = rng.choice(ZONES, (2, trips))
    miles = 0.5 + 1.3 * load_zones().straight_line()[pickup_zone, dropoff_zone]
    miles = (miles * rng.uniform(0.9, 1.2, trips)).round(2)
    second = np.sort(rng.integers(0, 28 * 86_400, trips))
    pickup = pd.Timestamp(month) + pd.to_timedelta(second, unit="s")
    minutes = 3 + 3.5 * miles * np.where(pickup.hour.isin((8, 17, 18)), 1.5, 1)
    passengers = np.where(rng.random(trips) < 0.2, np.nan, rng.integers(1, 6, trips))
    minutes *= np.where(np.isnan(passengers), 0.6, 1)
    minutes = np.clip(minutes * rng.uniform(0.9, 1.1, trips), 1, 60)
    card = rng.random(trips) < 0.7
    fare = 3 + 2.5 * miles
    return pd.DataFrame(
        {
            "VendorID": 2,
            "lpep_pickup_datetime": pickup.astype("datetime64[us]"),
            "lpep_dropoff_datetime": (pickup + pd.to_timedelta((minutes * 60).round(), unit="s")),
            "PULocationID": pickup_zone,
            "DOLocationID": dropoff_zone,
            "passenger_count": passengers,
            "trip_distance": miles.astype(float),
            "fare_amount": fare,
            "tip_amount": np.where(card, (0.2 * fare).round(2), 0.0),
            "tolls_amount": 0.0,
            "payment_type": np.where(card, 1.0, 2.0),
        }
    )


def write_month(folder: Path, month: str = "2023-01", **changes: Any) -> Path:
    """Write a month to its file, with columns changed, or removed if they are None."""
    table = tlc_table(month).assign(**{name: to for name, to in changes.items() if to is not None})
    table = table.drop(columns=[name for name, to in changes.items() if to is None])
    path = folder / f"green_tripdata_{month}.parquet"
    table.to_parquet(path)
    return path


def city_trips(folder: Path, *months: str) -> pd.DataFrame:
    """Return the city's trips of the given months."""
    return read_trips([write_month(folder, month) for month in months or ("2023-01",)], QUIET)
