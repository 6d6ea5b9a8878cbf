"""Ends of rides with a driver each, which no public record of trips has: drivers are simulated."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from demo.ride_generator import generate_rides, last_week, read_statistics
from demo.trip_replay import open_replay

MINUTES_PER_MILE = 5.0
"""A generated ride has no end; it drives at 12 miles an hour."""


@dataclass(frozen=True, slots=True)
class EndedTrip:
    """A trip that has ended.

    Attributes:
        end: Its `ride_ended` event, without a driver.
        ride: What its `ride_started` event says of the ride.
        started_at: New York local time.
        ended_at: The same.
    """

    end: dict[str, Any]
    ride: dict[str, Any]
    started_at: datetime
    ended_at: datetime


def generated_trips(count: int, draw: random.Random) -> list[EndedTrip]:
    """Generate trips of the last whole week, the earliest pickup first."""
    week = last_week(datetime.now(UTC).replace(tzinfo=None))
    rides = generate_rides(read_statistics(), draw, first_ride_id=1, week=week)
    return sorted(map(_with_end, islice(rides, count)), key=attrgetter("started_at"))


def replayed_trips(path: Path, count: int) -> list[EndedTrip]:
    """Return the first real trips of a month that have an end, the earliest pickup first.

    Raises:
        RidesUnavailable: See `open_replay`.
    """
    return list(islice(_with_ends(path), count))


def ended_rides(
    trips: Iterable[EndedTrip], drivers: int, draw: random.Random
) -> list[dict[str, Any]]:
    """Give each trip to a driver; return the ends, the earliest first.

    The driver is a free one whose last drop-off was in the zone of the pickup; else any free one;
    else one more.

    Args:
        trips: The earliest pickup first.
        drivers: How many there are at first: `d1`, `d2` and so on.
        draw: Chooses among several.

    Returns:
        `ride_ended` events with `driver_id` and `DOLocationID`.
    """
    known = [f"d{number}" for number in range(1, drivers + 1)]
    last: dict[str, EndedTrip] = {}
    given = []
    for trip in trips:
        driving = {each for each, ride in last.items() if ride.ended_at > trip.started_at}
        free = [each for each in known if each not in driving]
        if not free:
            free = [f"d{len(known) + 1}"]
            known += free
        pickup = trip.ride["PULocationID"]
        near = [each for each in free if each in last and last[each].ride["DOLocationID"] == pickup]
        driver = draw.choice(near or free)
        last[driver] = trip
        given.append((trip, driver))
    given.sort(key=lambda each: each[0].ended_at)
    return [
        {**trip.end, "driver_id": driver, "DOLocationID": trip.ride["DOLocationID"]}
        for trip, driver in given
    ]


def _with_ends(path: Path) -> Iterator[EndedTrip]:
    for trip in open_replay(path).trips(first_ride_id=1):
        if trip.end is not None and trip.ended_at is not None:
            yield EndedTrip(trip.end, trip.start["ride"], trip.started_at, trip.ended_at)


def _with_end(start: dict[str, Any]) -> EndedTrip:
    ride = start["ride"]
    started_at = datetime.fromisoformat(ride["pickup_datetime"])
    ended_at = started_at + timedelta(minutes=MINUTES_PER_MILE * ride["trip_distance"])
    end = {
        "event_type": "ride_ended",
        "ride_id": start["ride_id"],
        "dropoff_datetime": ended_at.isoformat(timespec="seconds"),
    }
    return EndedTrip(end, ride, started_at, ended_at)
