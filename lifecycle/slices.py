"""Slices of trips in which a model must not become worse: borough, hour, distance, payment."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training.trips import CARD, LAST_ZONE, Rides
from training.zones import load_zones

_CASH = 2  # TLC's code
_OTHER = "other borough"
_NO_BOROUGH = ("N/A", "Unknown")  # of the zones 264, unknown, and 265, outside of the city
_HOURS = {"0-6 h": 0, "6-10 h": 6, "10-16 h": 10, "16-20 h": 16, "20-24 h": 20}
MILES = {"0-1 mi": 0, "1-2 mi": 1, "2-5 mi": 2, "5-10 mi": 5, "from 10 mi": 10}
"""Bands of distance by name: the miles from which each begins."""

_PAYMENTS = ("card", "cash", "other payment")

Mask = NDArray[np.bool_]


def slices(rides: Rides) -> Iterator[tuple[str, Mask]]:
    """Yield each slice's name and which rides are in it; bool [N]. Empty slices are left out.

    The borough is that of the pick-up zone, the distance that of the meter.
    """
    names = boroughs()
    payment = rides["payment_type"]
    for labels, order in (
        (names[rides["PULocationID"].astype(int)], sorted(set(names[1:]))),
        (_bands(rides["hour"], _HOURS), _HOURS),
        (_bands(rides["trip_distance"], MILES), MILES),
        (np.select([payment == CARD, payment == _CASH], _PAYMENTS[:2], _PAYMENTS[2]), _PAYMENTS),
    ):
        for name in order:
            if (mask := labels == name).any():
                yield name, mask


def boroughs() -> NDArray[np.str_]:
    """Return the borough of each zone, [266]; index 0 is unused."""
    names = load_zones().names
    found = np.array(["", *(names[zone][0] for zone in range(1, LAST_ZONE + 1))])
    found[np.isin(found, _NO_BOROUGH)] = _OTHER
    return found


def _bands(values: NDArray[np.float32], starts: dict[str, int]) -> NDArray[np.str_]:
    band = np.searchsorted(list(starts.values()), values, side="right") - 1
    labels: NDArray[np.str_] = np.array(list(starts))[band]
    return labels
