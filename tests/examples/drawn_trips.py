"""Trips, drivers and rides that ended, for the tests of the recommender."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from examples.recommender.fleet_replay import Drivers
from examples.recommender.waiting_times import ZONES, Rates, Trips

MONDAY_8 = datetime(2025, 3, 3, 8)  # noqa: DTZ001  New York's local time


def ended(**changes: Any) -> bytes:
    event = {
        "event_type": "ride_ended",
        "ride_id": 1,
        "driver_id": "d1",
        "DOLocationID": 1,
        "dropoff_datetime": MONDAY_8.isoformat(),
        **changes,
    }
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def trips(*rows: tuple[float, float, int, int], days: int = 7, first_hour: int = 0) -> Trips:
    """Return trips of (pickup, dropoff, pickup zone, dropoff zone), each of 10 dollars."""
    pickup, dropoff, pickup_zone, dropoff_zone = zip(*sorted(rows), strict=True)
    return Trips(
        month="2025-03",
        first_hour=first_hour,
        days=days,
        pickup=np.array(pickup, dtype=float),
        dropoff=np.array(dropoff, dtype=float),
        pickup_zone=np.array(pickup_zone),
        dropoff_zone=np.array(dropoff_zone),
        fare=np.full(len(rows), 10.0),
    )


def drawn_month(seed: int) -> Trips:
    """Return two weeks in which people leave zone 74 and go to 236, where nobody wants a taxi."""
    draw = np.random.default_rng(seed)
    pickup = np.sort(draw.uniform(0, 14 * 24 * 60, 3_000))
    leaving = draw.random(3_000) < 0.9
    drawn = trips(*((at, at + 8, 74, 236) for at in pickup), days=14)
    zones = np.where(leaving, 74, 75), np.where(draw.random(3_000) < 0.8, 236, 75)
    return replace(drawn, pickup_zone=zones[0], dropoff_zone=zones[1])


def three_zones(hours: int) -> tuple[Rates, np.ndarray[Any, Any]]:
    """Return rates of three zones, of which one has the pickups and another the drop-offs."""
    pickups, dropoffs = np.full((2, hours, ZONES), 0.01)
    pickups[:, [1, 2, 3]] = 12.0, 6.0, 1.0
    dropoffs[:, [2, 3]] = 4.0, 20.0
    there = np.full((ZONES, ZONES), 40.0)
    np.fill_diagonal(there, 0)
    there[np.ix_([1, 2, 3], [1, 2, 3])] = [[0, 5, 9], [5, 0, 6], [9, 6, 0]]
    return Rates(pickups, dropoffs), there


def drivers(*rows: tuple[float, int]) -> Drivers:
    free, zone = zip(*rows, strict=True)
    return Drivers(np.array(zone), np.array(free, dtype=float), np.zeros(len(rows), dtype=int))
