"""The TLC's taxi zones: names, and where they lie."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from training.trips import Array

ZONE_IDS = 266
"""Zones are numbered 1 to 265; index 0 stays unused."""

_FILE = Path(__file__).parent / "taxi_zones.csv"
_MILES_PER_DEGREE = 69.09  # of latitude; the Earth's mean radius is 3,958.8 miles


@dataclass(frozen=True, slots=True)
class Zones:
    """All zones.

    Attributes:
        names: Zone ID → borough, zone.
        east, north: Miles from the city's middle to a zone's centroid; each [266], by zone ID.
    """

    names: dict[int, tuple[str, str]]
    east: Array
    north: Array

    def straight_line(self) -> Array:
        """Return the miles between the centroids of each pair of zones, [266, 266]."""
        miles: Array = np.hypot(self.east[:, None] - self.east, self.north[:, None] - self.north)
        return miles


def load_zones() -> Zones:
    """Read the zones.

    Centroids come from the TLC's zone polygons. Five zones have none: a zone takes the place of
    its namesake (57; 104, 105), or else the city's middle (264 "unknown", 265 "outside").
    """
    table = pd.read_csv(_FILE, keep_default_na=False, na_values={"longitude": "", "latitude": ""})
    table = table.set_index("LocationID")
    place = table[["longitude", "latitude"]]
    place = place.fillna(place.groupby(table["zone"]).transform("first"))
    middle = place.mean()
    place = (place.fillna(middle) - middle) * _MILES_PER_DEGREE
    place["longitude"] *= np.cos(np.radians(middle["latitude"]))
    by_id = place.reindex(range(ZONE_IDS), fill_value=0.0).astype("float32")
    return Zones(
        names={
            int(zone_id): (borough, zone)
            for zone_id, borough, zone in table[["borough", "zone"]].itertuples()
        },
        east=by_id["longitude"].to_numpy(),
        north=by_id["latitude"].to_numpy(),
    )
