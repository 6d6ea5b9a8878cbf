"""Read the TLC's trip records as rides to train on."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.progress import Progress

from training.download import MONTH
from training.errors import TripDataError

Array: TypeAlias = NDArray[np.float32]
Rides: TypeAlias = Mapping[str, Array]
"""The seven inputs of a model by name, each of shape [N]."""

INPUTS = (
    "PULocationID",
    "DOLocationID",
    "trip_distance",  # miles; 0 = unknown
    "hour",  # New York local hours since midnight, 0 <= hour < 24
    "weekday",  # 0 = Monday
    "passenger_count",  # NaN = unknown
    "payment_type",  # TLC code; NaN = unknown
)

CARD = 1
"""The payment type whose tips the TLC records."""

_COLUMNS = (
    "lpep_pickup_datetime",
    "lpep_dropoff_datetime",
    "PULocationID",
    "DOLocationID",
    "trip_distance",
    "passenger_count",
    "payment_type",
    "tip_amount",
)
LAST_ZONE = 265
"""The TLC's zones are numbered from 1 to this."""

MINUTES = (1.0, 60.0)
"""The shortest and the longest trip to train on."""

MAX_MILES = 60.0
"""The longest trip to train on."""

DOLLARS = 50.0
"""The largest tip to train on."""


def month_of(path: Path) -> str:
    """Return the month in a file's name, or the name itself if there is no month in it."""
    found = MONTH.search(path.stem)
    return found.group() if found else path.stem


def require_files(paths: Sequence[Path]) -> None:
    """Raise a TripDataError that names the first missing file."""
    for path in paths:
        if not path.is_file():
            raise TripDataError(f"no such file: {path}")


def file_hashes(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of each month's file, by month, in order.

    Raises:
        TripDataError: A file cannot be read.
    """
    hashes = {}
    for path in sorted(paths, key=month_of):
        try:
            with path.open("rb") as file:
                hashes[month_of(path)] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TripDataError(
                f"month {month_of(path)} cannot be read ({path}): {error}"
            ) from error
    return hashes


def first_pickup(path: Path) -> pd.Timestamp:
    """Return the earliest pickup in a file, of any trip (New York local time).

    Raises:
        TripDataError: The file cannot be read, or lacks the column.
    """
    try:
        pickups = pq.read_table(path, columns=[_COLUMNS[0]]).column(0)
    except (OSError, pa.ArrowException) as error:
        raise TripDataError(f"month {month_of(path)} cannot be read ({path}): {error}") from error
    return pd.Timestamp(pc.min(pickups).as_py())


def read_trips(paths: Sequence[Path], progress: Progress) -> pd.DataFrame:
    """Return the usable trips of all files, ordered by pick-up.

    The filter is that of the published baselines, so that metrics are comparable: 1 to 60
    minutes, more than 0 and at most 60 miles, between two of the TLC's zones.

    Args:
        paths: Parquet files of green-taxi trips, with the columns of any year since 2021.
        progress: Shows a bar that counts the files.

    Returns:
        One row per trip: the columns of `INPUTS` as float32, `duration` (minutes), `tip`
        (US dollars), `pickup` (New York local time).

    Raises:
        TripDataError: A file is missing or unreadable, lacks a column or has no usable trip.
    """
    months = [_read_month(path) for path in progress.track(paths, description="read trips")]
    return pd.concat(months, ignore_index=True).sort_values("pickup", ignore_index=True)


def card_trips(trips: pd.DataFrame) -> pd.DataFrame:
    """Return the trips whose tip is known: paid by card, 0 to 50 dollars."""
    known = (trips["payment_type"] == CARD) & trips["tip"].between(0, DOLLARS)
    return trips[known].reset_index(drop=True)


def inputs(trips: pd.DataFrame) -> dict[str, Array]:
    """Return the inputs of a model for each trip: each of `INPUTS`, shape [N]."""
    return {name: trips[name].to_numpy() for name in INPUTS}


def _read_month(path: Path) -> pd.DataFrame:
    month = month_of(path)
    try:
        missing = sorted(set(_COLUMNS) - set(pq.read_schema(path).names))
        if missing:
            raise TripDataError(f"month {month} lacks the column {', '.join(missing)} ({path})")
        table = pd.read_parquet(path, columns=list(_COLUMNS))
    except FileNotFoundError:
        raise TripDataError(f"month {month} has no file {path}") from None
    except (OSError, pa.ArrowException) as error:
        raise TripDataError(f"month {month} cannot be read ({path}): {error}") from error
    trips = _usable(_rides(table))
    if trips.empty:
        raise TripDataError(f"month {month} holds no usable trip ({path})")
    return trips


def _rides(table: pd.DataFrame) -> pd.DataFrame:
    pickup = table["lpep_pickup_datetime"]
    midnight = pickup.dt.normalize()
    rides = pd.DataFrame(
        {
            "PULocationID": table["PULocationID"],  # strings in the files of 2021
            "DOLocationID": table["DOLocationID"],
            "trip_distance": table["trip_distance"],
            "hour": (pickup - midnight).dt.total_seconds() / 3600,
            "weekday": pickup.dt.day_of_week,
            "passenger_count": table["passenger_count"],
            "payment_type": table["payment_type"],
            "duration": (table["lpep_dropoff_datetime"] - pickup).dt.total_seconds() / 60,
            "tip": table["tip_amount"],
        }
    ).astype("float32")
    return rides.assign(pickup=pickup)


def _usable(rides: pd.DataFrame) -> pd.DataFrame:
    kept = (
        rides["duration"].between(*MINUTES)
        & rides["trip_distance"].between(0, MAX_MILES, inclusive="right")
        & rides["PULocationID"].between(1, LAST_ZONE)
        & rides["DOLocationID"].between(1, LAST_ZONE)
    )
    return rides[kept]
