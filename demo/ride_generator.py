"""Generates rides from the statistics that ship with the models.

The project ships no trip records. The bundle's `statistics.json` has the frequency and distances
of each pair of taxi zones and the hours of the week, so generated rides look like a real week in
New York.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeAlias

import msgspec

from demo.errors import RidesUnavailable
from streaming import DECODE_ERRORS

STATISTICS_PATH = Path(__file__).resolve().parent.parent / "models" / "statistics.json"

RideEvent: TypeAlias = dict[str, Any]
"""A `ride_started` event, ready for the JSON encoder."""

_SHORTEST_MILES = 0.1
_HOURS_OF_WEEK = 7 * 24


class PairStatistics(msgspec.Struct, frozen=True, array_like=True):
    """Statistics of the rides between two zones.

    Attributes:
        pickup: TLC zone of the pickup.
        dropoff: TLC zone of the dropoff.
        trips: How many rides there were.
        d10: The first decile of the distance in miles.
        d50: The median distance in miles.
        d90: The ninth decile of the distance in miles.
    """

    pickup: int
    dropoff: int
    trips: int
    d10: float
    d50: float
    d90: float


class RideStatistics(msgspec.Struct, frozen=True):
    """The bundle's `statistics.json`.

    Attributes:
        zones: TLC zone to (borough, zone name).
        pairs: The frequent zone pairs.
        hour_of_week: Rides in each of the week's 168 hours, Monday 00h first.
        passenger_count: TLC code to its share.
        payment_type: TLC code to its share.
        distance_quantiles: Miles at evenly spaced quantiles of all rides, the smallest first.
    """

    zones: dict[int, tuple[str, str]]
    pairs: Annotated[list[PairStatistics], msgspec.Meta(min_length=1)]
    hour_of_week: Annotated[
        list[float], msgspec.Meta(min_length=_HOURS_OF_WEEK, max_length=_HOURS_OF_WEEK)
    ]
    passenger_count: dict[int, float]
    payment_type: dict[int, float]
    distance_quantiles: Annotated[list[float], msgspec.Meta(min_length=2)]


def read_statistics(path: Path = STATISTICS_PATH) -> RideStatistics:
    """Read and check a bundle's statistics.

    Raises:
        RidesUnavailable: The file cannot be read or its shape is wrong; the message names the file
            and the wrong part.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=RideStatistics)
    except (OSError, *DECODE_ERRORS) as error:
        raise RidesUnavailable(f"cannot read {path}: {error}") from error


def unique_ride_id() -> int:
    """Return a ride id greater than those of earlier runs: the time in milliseconds."""
    return time.time_ns() // 1_000_000


def last_week(today: datetime) -> datetime:
    """Return Monday 00:00 of the last whole week before `today`."""
    monday = today - timedelta(days=today.weekday() + 7)
    return monday.replace(hour=0, minute=0, second=0, microsecond=0)


def generate_rides(
    statistics: RideStatistics, random: Random, *, first_ride_id: int, week: datetime
) -> Iterator[RideEvent]:
    """Generate rides without end.

    Zones follow the frequency of the pairs, distances the pair's quantiles, pickup times the hours
    of the week. The same seed and arguments give the same rides.

    Args:
        statistics: What to draw from.
        random: The source of randomness.
        first_ride_id: The first ride's id; the next ones count up from it.
        week: Monday 00:00, New York local time, of the week of the pickups.

    Yields:
        `ride_started` events.
    """
    draw_route = _route_drawer(statistics, random)
    draw_hour = _drawer(dict(enumerate(statistics.hour_of_week)), random)
    draw_passengers = _drawer(statistics.passenger_count, random)
    draw_payment = _drawer(statistics.payment_type, random)
    for ride_id in itertools.count(first_ride_id):
        pickup, dropoff, miles = draw_route()
        started = week + timedelta(hours=draw_hour(), seconds=random.randrange(3600))
        yield {
            "event_type": "ride_started",
            "ride_id": ride_id,
            "ride": {
                "PULocationID": pickup,
                "DOLocationID": dropoff,
                "trip_distance": miles,
                "pickup_datetime": started.isoformat(),
                "passenger_count": draw_passengers(),
                "payment_type": draw_payment(),
            },
        }


def _route_drawer(
    statistics: RideStatistics, random: Random
) -> Callable[[], tuple[int, int, float]]:
    """Return a function that draws (pickup, dropoff, miles).

    The table leaves out rare pairs. As many rides as it lacks, compared with the hour-of-week
    counts, get their zones independently and a distance from all rides.
    """
    pairs = statistics.pairs
    trips = list(itertools.accumulate(pair.trips for pair in pairs))
    rare_share = max(0.0, 1 - trips[-1] / max(sum(statistics.hour_of_week), 1))

    def draw() -> tuple[int, int, float]:
        pair = random.choices(pairs, cum_weights=trips)[0]
        if random.random() < rare_share:
            other = random.choices(pairs, cum_weights=trips)[0]
            miles = _at_quantile(statistics.distance_quantiles, random.random())
            return pair.pickup, other.dropoff, round(max(miles, _SHORTEST_MILES), 2)
        return pair.pickup, pair.dropoff, _pair_distance(pair, random.random())

    return draw


def _pair_distance(pair: PairStatistics, u: float) -> float:
    """Return the distance at quantile `u`, interpolated linearly between the deciles."""
    spread = pair.d90 - pair.d50 if u > 0.5 else pair.d50 - pair.d10  # noqa: PLR2004 - the median
    return round(max(pair.d50 + (u - 0.5) / 0.4 * spread, _SHORTEST_MILES), 2)


def _at_quantile(quantiles: list[float], u: float) -> float:
    """Interpolate between evenly spaced quantiles; `0 <= u < 1`."""
    place = u * (len(quantiles) - 1)
    below = int(place)
    return quantiles[below] + (place - below) * (quantiles[below + 1] - quantiles[below])


def _drawer(shares: Mapping[int, float], random: Random) -> Callable[[], int]:
    """Return a function that draws keys by their shares."""
    keys = list(shares)
    weights = list(itertools.accumulate(shares.values()))
    return lambda: random.choices(keys, cum_weights=weights)[0]
