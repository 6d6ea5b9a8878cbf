"""The features of a ride: lookups in tables that are built from earlier trips.

`training.graph` does the same arithmetic as an ONNX graph; every export is checked against this
module on real rides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.trips import MAX_MILES, Array, Rides
from training.zones import ZONE_IDS, Zones

HOURS_OF_DAY = 24
HOURS_OF_WEEK = 7 * HOURS_OF_DAY
PAIRS = ZONE_IDS * ZONE_IDS
UNKNOWN = -1.0
"""Replaces a count or code that is NaN."""

FEATURES = (
    *("typical_distance", "straight_line", "pair_effect", "pair_mean", "pair_trips"),
    *("pickup_effect", "pickup_east", "pickup_north"),
    *("dropoff_effect", "dropoff_east", "dropoff_north"),
    *("distance", "distance_ratio", "hour_factor"),
    *("PULocationID", "DOLocationID", "hour", "weekday", "passenger_count", "payment_type"),
)

_DETOUR = 1.35  # miles driven per mile of straight line; the trips correct it for each pair
_WITHIN_ZONE = 0.6  # miles; the shortest assumed distance, as within one zone
_SHORTEST = 0.1  # miles; the shortest typical distance
# The number of trips at which an average weighs as much as the prior it is shrunk towards.
_PRIOR_DISTANCE = 2
_PRIOR_HOUR = 50
_PRIOR_ZONE = 20
_PRIOR_PAIR = 8


@dataclass(frozen=True, slots=True)
class Tables:
    """Lookup tables of zones, zone pairs and hours of the week, for one target.

    Attributes:
        curve: a, b, c of a + b·miles + c·√miles, the target's average at a distance; [3].
        hours: Factor on the target for each hour of the week, from Monday 00h; [168].
        pickups: Effect on the target, miles east and north, by pick-up zone; [266, 3].
        dropoffs: The same, by drop-off zone; [266, 3].
        pairs: Typical and straight-line distance (miles), effect on the target, the target's
            mean, log(1 + sum of the trips' weights), by pick-up zone * 266 + drop-off zone;
            [266 * 266, 5].
    """

    curve: Array
    hours: Array
    pickups: Array
    dropoffs: Array
    pairs: Array


def build_tables(rides: Rides, target: Array, weight: Array, zones: Zones) -> Tables:
    """Build the tables from rides with a known target, an exact distance and a weight, each [N].

    Averages over few trips are shrunk towards a prior (additive smoothing; Micci-Barreca 2001,
    "A preprocessing scheme for high-cardinality categorical attributes"), so a pair of zones
    without trips gets its zones' effects and a distance from the map.
    """
    pickup, dropoff, pair, hour = _keys(rides)
    miles = rides["trip_distance"].astype(np.float64)
    straight = zones.straight_line().ravel()
    assumed = np.maximum(_DETOUR * straight, _WITHIN_ZONE)
    typical = assumed + _mean(pair, miles - assumed[pair], weight, PAIRS, _PRIOR_DISTANCE)
    typical = np.maximum(typical, _SHORTEST)

    root = np.sqrt(weight.astype(np.float64))
    curve = np.linalg.lstsq(_powers(miles) * root[:, None], target * root, rcond=None)[0]
    average = _powers(miles) @ curve
    hours = _ratio(hour, target * weight, average * weight, HOURS_OF_WEEK, _PRIOR_HOUR)
    residual = target / hours[hour] - average
    pickups = _mean(pickup, residual, weight, ZONE_IDS, _PRIOR_ZONE)
    dropoffs = _mean(dropoff, residual - pickups[pickup], weight, ZONE_IDS, _PRIOR_ZONE)
    zone_effect = np.add.outer(pickups, dropoffs).ravel()
    effect = zone_effect + _mean(pair, residual - zone_effect[pair], weight, PAIRS, _PRIOR_PAIR)
    at_typical = _powers(typical) @ curve + effect
    beyond = target / hours[hour] - at_typical[pair]
    mean = at_typical + _mean(pair, beyond, weight, PAIRS, _PRIOR_PAIR)
    trips = np.log1p(np.bincount(pair, weight, PAIRS))
    return Tables(
        curve=curve.astype(np.float32),
        hours=hours.astype(np.float32),
        pickups=np.column_stack([pickups, zones.east, zones.north]).astype(np.float32),
        dropoffs=np.column_stack([dropoffs, zones.east, zones.north]).astype(np.float32),
        pairs=np.column_stack([typical, straight, effect, mean, trips]).astype(np.float32),
    )


def look_up(tables: Tables, rides: Rides) -> tuple[Array, Array]:
    """Return the features of rides and a first guess at their target.

    The guess is (curve(distance) + effect of the zone pair) * factor of the hour; the trees
    predict the residual.

    Returns:
        Features, float32 [N, 20] in the order of `FEATURES`, and the guess, float32 [N].
    """
    pickup, dropoff, pair, hour = _keys(rides)
    of_pair = tables.pairs[pair]
    typical = of_pair[:, 0]
    given = rides["trip_distance"]
    # No training trip is longer.
    distance = np.minimum(np.where(given == 0, typical, given), np.float32(MAX_MILES))
    factor = tables.hours[hour]
    a, b, c = tables.curve
    guess = (a + b * distance + c * np.sqrt(distance) + of_pair[:, 2]) * factor
    columns = [
        of_pair,
        tables.pickups[pickup],
        tables.dropoffs[dropoff],
        distance,
        given / typical,  # 0: the distance is unknown
        factor,
        rides["PULocationID"],
        rides["DOLocationID"],
        rides["hour"],
        rides["weekday"],
        _fill_nan(rides["passenger_count"]),
        _fill_nan(rides["payment_type"]),
    ]
    return np.column_stack(columns), guess


def _keys(rides: Rides) -> tuple[NDArray[np.int64], ...]:
    """Return the table rows of pick-up zone, drop-off zone, pair and hour, each [N]."""
    pickup = rides["PULocationID"].astype(np.int64)
    dropoff = rides["DOLocationID"].astype(np.int64)
    # 23:59:59.9999999 is 24.0 in float32
    hour = np.minimum(rides["hour"].astype(np.int64), HOURS_OF_DAY - 1)
    weekday = rides["weekday"].astype(np.int64)
    return pickup, dropoff, pickup * ZONE_IDS + dropoff, weekday * HOURS_OF_DAY + hour


def _powers(miles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.ones_like(miles), miles, np.sqrt(miles)])


def _mean(
    key: NDArray[np.int64], value: NDArray[np.float64], weight: Array, size: int, prior: float
) -> NDArray[np.float64]:
    """Return the weighted mean of each key's values, shrunk towards 0 by `prior` zeros; [size]."""
    trips = np.bincount(key, weight, size)
    mean: NDArray[np.float64] = np.bincount(key, value * weight, size) / (trips + prior)
    return mean


def _ratio(
    key: NDArray[np.int64],
    value: NDArray[np.float64] | Array,
    average: NDArray[np.float64],
    size: int,
    prior: float,
) -> NDArray[np.float64]:
    """Return each key's ratio of summed values to summed averages, shrunk towards 1; [size]."""
    assumed = prior * average.mean()
    sums = np.bincount(key, value, size), np.bincount(key, average, size)
    ratio: NDArray[np.float64] = (sums[0] + assumed) / (sums[1] + assumed)
    return ratio


def _fill_nan(values: Array) -> Array:
    return np.where(np.isnan(values), np.float32(UNKNOWN), values)
