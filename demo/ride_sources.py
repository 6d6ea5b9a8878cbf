"""The sources of rides: generated, or replayed from a file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, tee
from pathlib import Path
from random import Random

import msgspec

from demo.event_time_replay import ReplayedTrip, TimedEvent, in_event_time
from demo.producer import OutgoingEnd, OutgoingRide, outgoing_rides
from demo.ride_generator import RideStatistics, generate_rides, last_week, unique_ride_id
from demo.trip_replay import Trip, open_replay


@dataclass(frozen=True, slots=True)
class Rides:
    """Rides to put.

    Attributes:
        rides: In the order to put them.
        count: How many there are; None: the run does not wait for their end.
        skipped: Rows of a file that violate the contract.
        events: The rides and their ends in event time, in place of `rides`; None: no ends are
            known.
    """

    rides: Iterator[OutgoingRide]
    count: int | None
    skipped: int = 0
    events: Iterator[TimedEvent] | None = None


def no_rides() -> Rides:
    """Return no rides: other producers put them."""
    return Rides(iter(()), None)


def drawn_rides(
    statistics: RideStatistics,
    *,
    count: int | None = None,
    seed: int | None = None,
    poison_share: float = 0.0,
) -> Rides:
    """Generate rides.

    Args:
        statistics: What to draw from.
        count: How many; None: no limit.
        seed: The same seed gives the same rides, with new ids.
        poison_share: The share of poison records, 0 to 1.
    """
    drawn = generate_rides(
        statistics,
        Random(seed),  # noqa: S311  demo rides
        first_ride_id=unique_ride_id(),
        week=last_week(datetime.now()),  # noqa: DTZ005  a ride's time is local
    )
    return Rides(outgoing_rides(islice(drawn, count), seed=seed, poison_share=poison_share), count)


def replayed_rides(
    path: Path, *, count: int | None = None, seed: int | None = None, poison_share: float = 0.0
) -> Rides:
    """Replay the trips of a green-taxi month.

    Args:
        path: A parquet file.
        count: At most this many; None: all.
        seed: Selects the poison records.
        poison_share: The share of poison records, 0 to 1.

    Raises:
        RidesUnavailable: See `open_replay`.
    """
    replay = open_replay(path)
    trips = len(replay.table)
    count = trips if count is None else min(count, trips)
    first = unique_ride_id()
    starts = islice(replay.rides(first_ride_id=first), count)
    replayed = islice(replay.trips(first_ride_id=first), count)
    return Rides(
        outgoing_rides(starts, seed=seed, poison_share=poison_share),
        count,
        replay.skipped,
        in_event_time(_outgoing(replayed, seed=seed, poison_share=poison_share)),
    )


def _outgoing(
    trips: Iterable[Trip], *, seed: int | None, poison_share: float
) -> Iterator[ReplayedTrip]:
    """Encode trips; ends are never poison."""
    known, starts = tee(trips)
    rides = outgoing_rides((trip.start for trip in starts), seed=seed, poison_share=poison_share)
    for trip, ride in zip(known, rides, strict=True):
        end = None if trip.end is None else OutgoingEnd(ride.key, msgspec.json.encode(trip.end))
        yield ReplayedTrip(ride, trip.started_at, end, trip.ended_at)
