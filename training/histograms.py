"""Histograms of rides and of their predictions, with fixed edges: they can be added up."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import BundleError
from training.trips import LAST_ZONE, Rides
from training.zones import load_zones

Counts = NDArray[np.int64]

HISTOGRAMS = "histograms"
"""Their key in a bundle's `statistics.json`."""

EDGES: dict[str, tuple[float, ...]] = {
    "trip_distance": (0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 30, 60),
    "hour": tuple(range(25)),
    "weekday": tuple(range(8)),
    "passenger_count": tuple(range(10)),
    "payment_type": tuple(range(8)),
    "pickup_borough": tuple(range(9)),
    "dropoff_borough": tuple(range(9)),
    "duration": (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 50, 60),
    "tip": (0, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 10, 15),
}
"""By what is counted, the lower edges of bins. One more bin is below the first, one for what is not
known. `duration` and `tip` are predictions, in minutes and US dollars."""

ORDERED = {"trip_distance", "hour", "duration", "tip"}
"""What is a quantity; the others are codes."""

BOROUGHS = sorted({borough for borough, _ in load_zones().names.values()})
_BOROUGH_OF = np.array(
    [-1, *(BOROUGHS.index(load_zones().names[zone][0]) for zone in range(1, LAST_ZONE + 1))]
)


class Histograms:
    """Counts by bin.

    Attributes:
        counts: By what is counted; each [number of edges + 2], the last of values not known.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counts] = {
            name: np.zeros(len(edges) + 2, np.int64) for name, edges in EDGES.items()
        }

    def add(self, values: Mapping[str, ArrayLike]) -> None:
        """Count values; NaN is not known.

        Args:
            values: Of some of what is counted, each [N].
        """
        for name, column in values.items():
            numbers = np.asarray(column, np.float64)
            places = np.searchsorted(EDGES[name], numbers, side="right")
            places[np.isnan(numbers)] = len(EDGES[name]) + 1
            self.counts[name] += np.bincount(places, minlength=len(self.counts[name]))

    def add_rides(self, rides: Rides) -> None:
        """Count the inputs of models: see `training.trips.INPUTS`."""
        miles = rides["trip_distance"]
        same = ("hour", "weekday", "passenger_count", "payment_type")
        self.add(
            {
                "trip_distance": np.where(miles == 0, np.nan, miles),
                **{name: rides[name] for name in same},
                "pickup_borough": _BOROUGH_OF[rides["PULocationID"].astype(int)],
                "dropoff_borough": _BOROUGH_OF[rides["DOLocationID"].astype(int)],
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the edges and the counts, for a file."""
        return {
            name: {"edges": list(EDGES[name]), "counts": counts.tolist()}
            for name, counts in self.counts.items()
        }

    @classmethod
    def from_json(cls, found: Any, source: object) -> "Histograms":
        """Read what `to_json` returned.

        Args:
            found: The decoded file.
            source: What it comes from, for the error.

        Raises:
            BundleError: There are no histograms, or they have other edges.
        """
        histograms = cls()
        try:
            for name, counts in histograms.counts.items():
                if found[name]["edges"] != list(EDGES[name]):
                    raise BundleError(f"{source} has a histogram of {name} with other edges")
                counts[:] = found[name]["counts"]
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{source} has no histograms; train it again, or name the months to compare with"
            ) from error
        return histograms
