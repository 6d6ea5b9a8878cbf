"""Aggregate statistics to sample realistic rides from; they contain no single trip."""

from typing import Any

import numpy as np
import pandas as pd

from training.features import HOURS_OF_DAY, HOURS_OF_WEEK
from training.zones import Zones

_MIN_TRIPS = 20  # of a pair; with fewer, single trips could be recognised
_MAX_PAIRS = 4_000
_DISTANCES = (0.1, 0.5, 0.9)
_PERCENT = range(0, 101, 5)


def count_statistics(trips: pd.DataFrame, zones: Zones) -> dict[str, Any]:
    """Return the contents of `statistics.json`.

    Args:
        trips: As `training.trips.read_trips` returns them.
        zones: The source of the zones' names.

    Returns:
        `zones` (ID → borough, zone); `pairs`, the most frequent first, each [pick-up, drop-off,
        trips, 10 %, 50 %, 90 % quantile of the distance in miles]; `hour_of_week` (168 counts,
        Monday 00h first); `passenger_count` and `payment_type` (code → share); and
        `distance_quantiles` (miles at 0, 5, … 100 %).
    """
    distance = trips["trip_distance"]
    hour = trips["weekday"] * HOURS_OF_DAY + np.floor(trips["hour"])
    return {
        "zones": {str(zone_id): list(names) for zone_id, names in zones.names.items()},
        "pairs": _pairs(trips),
        "hour_of_week": np.bincount(hour.astype(int), minlength=HOURS_OF_WEEK).tolist(),
        "passenger_count": _shares(trips["passenger_count"]),
        "payment_type": _shares(trips["payment_type"]),
        "distance_quantiles": [
            round(float(miles), 2) for miles in np.percentile(distance, _PERCENT)
        ],
    }


def _pairs(trips: pd.DataFrame) -> list[list[float]]:
    by_pair = trips.groupby(["PULocationID", "DOLocationID"])["trip_distance"]
    count = by_pair.size()
    frequent = count[count >= _MIN_TRIPS].sort_values(ascending=False, kind="stable")
    frequent = frequent.head(_MAX_PAIRS)
    miles = by_pair.quantile(list(_DISTANCES)).unstack().loc[frequent.index].round(2)  # noqa: PD010  one column per quantile
    return [
        [int(pickup), int(dropoff), int(trips), *(float(value) for value in row)]
        for (pickup, dropoff), trips, row in zip(
            frequent.index, frequent, miles.to_numpy(), strict=True
        )
    ]


def _shares(codes: pd.Series) -> dict[str, float]:
    shares = codes.value_counts(normalize=True).sort_index()
    return {str(int(code)): round(float(share), 6) for code, share in shares.items()}
