"""The sources of rides: generated, or replayed from a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from random import Random

from demo.producer import OutgoingRide, outgoing_rides
from demo.ride_generator import RideStatistics, generate_rides, last_week, unique_ride_id
from demo.trip_replay import open_replay


@dataclass(frozen=True, slots=True)
class Rides:
    """Rides to put.

    Attributes:
        rides: In the order to put them.
        count: How many there are; None: the run does not wait for their end.
        skipped: Rows of a file that violate the contract.
    """

    rides: Iterator[OutgoingRide]
    count: int | None
    skipped: int = 0


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
    events = islice(replay.rides(first_ride_id=unique_ride_id()), count)
    return Rides(
        outgoing_rides(events, seed=seed, poison_share=poison_share), count, replay.skipped
    )
