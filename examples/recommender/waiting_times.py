"""Learns from real trips how long a driver drives to a zone, and waits there for a pickup."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from examples.recommender.model import HALF_MINUTES, LAST_PLACE, LONGEST_WAIT, hour_of_week
from training.errors import TripDataError
from training.trips import require_files
from training.zones import load_zones

HOURS = 7 * 24
ZONES = LAST_PLACE + 1
"""Size of an axis by zone; 0 is none."""

LONGEST_RIDE = 120.0
"""Minutes; longer trips are meters left on, as are those of less than a minute."""

MEASURED_TRIPS = 10
"""From so many trips between two zones, their median is how long the way takes."""

PRIOR_WEEKS = 4
"""A zone's mean rate counts as so many weeks of each hour."""

FOLLOWERS = 0.2
"""The share of all drivers that the table expects to follow it."""

CHOICE_MINUTES = 2.0
"""How much worse a zone may be and still draw 1/e as many of them as the best one."""

ROUNDS = 100
"""Then waits and arrivals agree to less than a minute, on five months of trips."""

_COLUMNS = {
    "lpep_pickup_datetime": "pickup",
    "lpep_dropoff_datetime": "dropoff",
    "PULocationID": "pickup_zone",
    "DOLocationID": "dropoff_zone",
    "fare_amount": "fare",
}

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trips:
    """The trips of a month, the earliest pickup first.

    Attributes:
        month: Such as `2025-03`.
        first_hour: The hour of the week in which the first day begins.
        days: How many days there are, with and without trips.
        pickup, dropoff: New York's minutes since the first day began, [N].
        pickup_zone: 1 to 263, [N].
        dropoff_zone: 1 to 263, or 0 for a zone without a place, [N].
        fare: US dollars, without tips and tolls, [N].
    """

    month: str
    first_hour: int
    days: int
    pickup: Array
    dropoff: Array
    pickup_zone: Indices
    dropoff_zone: Indices
    fare: Array

    def hours_of_week(self, minutes: Array) -> Indices:
        """Return the hour of the week, 0 to 167, of each of some times of this month."""
        hours: Indices = (self.first_hour + minutes // 60).astype(np.int64) % HOURS
        return hours

    def hourly(self, minutes: Array, zones: Indices) -> Array:
        """Return how many of some times and zones fall in each hour of the week, [168, 264]."""
        cells = self.hours_of_week(minutes) * ZONES + zones
        return np.bincount(cells, minlength=HOURS * ZONES).reshape(HOURS, ZONES).astype(float)


@dataclass(frozen=True, slots=True)
class Rates:
    """What happens in an hour of the week, [168, 264]: by hour and zone.

    Attributes:
        pickups: Pickups in an hour.
        dropoffs: Drop-offs in an hour: drivers who become free.
    """

    pickups: Array
    dropoffs: Array


def read_month(path: Path) -> Trips:
    """Read the trips of one month that began in a zone with a place.

    Trips of other months, which each file has a few of, are left out, and so are trips of less than
    1 or more than 120 minutes and those without a fare.

    Raises:
        TripDataError: The file is missing or unreadable, lacks a column, or has no usable trip.
    """
    trips = _read(path)
    minutes = (trips["dropoff"] - trips["pickup"]).dt.total_seconds() / 60
    trips = trips[
        trips["pickup_zone"].between(1, LAST_PLACE)
        & minutes.between(1, LONGEST_RIDE)
        & (trips["fare"] > 0)
    ]
    if trips.empty:
        raise TripDataError(f"no usable trip in {path}")
    months = trips["pickup"].dt.to_period("M")
    month = months.mode()[0]
    trips = trips[months == month].sort_values("pickup")
    days = trips["pickup"].dt.normalize()
    first, last = days.iloc[0], days.iloc[-1]
    dropoff_zone = trips["dropoff_zone"].where(trips["dropoff_zone"].between(1, LAST_PLACE), 0)
    return Trips(
        month=str(month),
        first_hour=hour_of_week(first),
        days=(last - first).days + 1,
        pickup=_minutes(trips["pickup"], first),
        dropoff=_minutes(trips["dropoff"], first),
        pickup_zone=trips["pickup_zone"].to_numpy().astype(np.int64),
        dropoff_zone=dropoff_zone.to_numpy().astype(np.int64),
        fare=trips["fare"].to_numpy(),
    )


def travel_minutes(months: Sequence[Trips]) -> Array:
    """Return how many minutes the way from zone to zone takes, [264, 264]; within a zone none.

    It is the median of the trips between the two. With fewer than ten, it is what a line through
    all trips gives for the distance between the zones' centroids.

    Raises:
        TripDataError: The trips between zones have fewer than two distances.
    """
    trips = pd.DataFrame(
        {
            "pickup": np.concatenate([month.pickup_zone for month in months]),
            "dropoff": np.concatenate([month.dropoff_zone for month in months]),
            "minutes": np.concatenate([month.dropoff - month.pickup for month in months]),
        }
    )
    trips = trips[(trips["dropoff"] > 0) & (trips["pickup"] != trips["dropoff"])]
    miles = load_zones().straight_line()[:ZONES, :ZONES].astype(np.float64)
    driven = miles[trips["pickup"], trips["dropoff"]]
    if len(np.unique(driven)) < 2:
        raise TripDataError("too few trips between zones to say how long a way takes")
    slope, start = np.polyfit(driven, trips["minutes"], 1)
    there: Array = start + slope * miles
    pairs = trips.groupby(["pickup", "dropoff"])["minutes"].agg(["median", "size"]).reset_index()
    pairs = pairs[pairs["size"] >= MEASURED_TRIPS]
    there[pairs["pickup"], pairs["dropoff"]] = pairs["median"]
    np.fill_diagonal(there, 0)
    return there


def hourly_rates(months: Sequence[Trips]) -> Rates:
    """Return pickups and drop-offs in each hour of the week and zone.

    A zone's hour is drawn to what the zone has in a week, spread over the hours as the whole city's
    trips are, as if four more weeks had been like that.
    """
    weeks = np.zeros((HOURS, 1))
    pickups, dropoffs = np.zeros((2, HOURS, ZONES))
    for month in months:
        hours = (month.first_hour + np.arange(24 * month.days)) % HOURS
        weeks[:, 0] += np.bincount(hours, minlength=HOURS)
        pickups += month.hourly(month.pickup, month.pickup_zone)
        dropoffs += month.hourly(month.dropoff, month.dropoff_zone)

    def smoothed(counts: Array) -> Array:
        city = counts.sum(axis=1, keepdims=True) / counts.sum() / np.maximum(weeks, 1)
        found: Array = (counts + PRIOR_WEEKS * city * counts.sum(axis=0)) / (weeks + PRIOR_WEEKS)
        return found

    return Rates(smoothed(pickups), smoothed(dropoffs))


def waiting_minutes(rates: Rates, there: Array, followers: float = FOLLOWERS) -> Array:
    """Return how many minutes a driver waits for a pickup, by hour of the week and zone.

    Drivers who wait in a zone are a queue that pickups serve, M/M/1: with p pickups and a arrivals
    of other drivers in an hour, one more spends 60 / (p - a) minutes in it (L. Kleinrock, Queueing
    Systems, volume 1, 1975, section 3.2). The arrivals are those drivers who follow the table
    themselves: they divide among zones by exp(-minutes / 2). Waits and arrivals that agree are
    found by the method of successive averages (Y. Sheffi, Urban Transportation Networks, 1985,
    chapter 12).

    Args:
        rates: Pickups and drop-offs.
        there: From `travel_minutes`.
        followers: The share of the drop-offs whose drivers follow.

    Returns:
        [168, 264], at most 360; of zone 0, infinity.
    """
    arrivals = np.zeros((HOURS, ZONES))
    for done in range(ROUNDS if followers else 0):
        waiting = _waits(rates.pickups, arrivals)
        for hour in range(HOURS):
            minutes = there + waiting[hour]
            best = minutes.min(axis=1, keepdims=True)
            shares = np.exp((best - minutes) / CHOICE_MINUTES)
            shares /= shares.sum(axis=1, keepdims=True)
            going = followers * rates.dropoffs[hour] @ shares
            arrivals[hour] += (going - arrivals[hour]) / (done + 2)
    return _waits(rates.pickups, arrivals)


def write_table(path: Path, there: Array, waiting: Array) -> None:
    """Write what `Recommender` reads, without pickle."""
    names = load_zones().names
    halves = np.minimum(np.round(HALF_MINUTES * there), np.iinfo(np.uint8).max)
    np.savez_compressed(
        path,
        minutes_there=halves.astype(np.uint8),
        minutes_waiting=waiting.astype(np.float16),
        names=np.array(["", *(names[zone][1] for zone in range(1, ZONES))]),
    )


def _read(path: Path) -> pd.DataFrame:
    require_files([path])
    try:
        present = pq.read_schema(path).names
        if missing := sorted(_COLUMNS.keys() - set(present)):
            raise TripDataError(f"{path} has no column {', '.join(missing)}")
        table = pd.read_parquet(path, columns=list(_COLUMNS)).rename(columns=_COLUMNS)
        return table.astype(
            {
                "pickup": "datetime64[us]",
                "dropoff": "datetime64[us]",
                "pickup_zone": "float64",  # strings in the files of 2021
                "dropoff_zone": "float64",
                "fare": "float64",
            }
        )
    except (OSError, pa.ArrowException, TypeError, ValueError) as error:
        raise TripDataError(f"cannot read the trips in {path}: {error}") from error


def _waits(pickups: Array, arrivals: Array) -> Array:
    waiting: Array = 60 / np.maximum(pickups - arrivals, 60 / LONGEST_WAIT)
    waiting[:, 0] = np.inf
    return waiting


def _minutes(times: "pd.Series[datetime]", first: datetime) -> Array:
    minutes: Array = (times - first).dt.total_seconds().to_numpy(dtype=np.float64) / 60
    return minutes
