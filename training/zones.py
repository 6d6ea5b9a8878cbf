"""The TLC's taxi zones: names and positions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from training.trips import LAST_ZONE, Array

ZONE_IDS = LAST_ZONE + 1
"""Size of a table indexed by zone ID; index 0 is unused."""

_FILE = Path(__file__).parent / "taxi_zones.csv"
_MILES_PER_DEGREE = 69.09  # of latitude; the Earth's mean radius is 3,958.8 miles


@dataclass(frozen=True, slots=True)
class Zones:
    """All zones.

    Attributes:
        names: Zone ID → borough, zone.
        east, north: Miles from the city's centre to each zone's centroid; each [266], by zone ID.
    """

    names: dict[int, tuple[str, str]]
    east: Array
    north: Array

    def straight_line(self) -> Array:
        """Return the distance in miles between the centroids of each two zones, [266, 266]."""
        miles: Array = np.hypot(self.east[:, None] - self.east, self.north[:, None] - self.north)
        return miles


def load_zones() -> Zones:
    """Load the zones.

    Centroids come from the TLC's zone polygons. Five zones have none: 57, 104 and 105 get the
    position of the zone with the same name; 264 ("unknown") and 265 ("outside") get the city's
    centre.
    """
    table = pd.read_csv(_FILE, keep_default_na=False, na_values={"longitude": "", "latitude": ""})
    table = table.set_index("LocationID")
    place = table[["longitude", "latitude"]]
    place = place.fillna(place.groupby(table["zone"]).transform("first"))
    centre = place.mean()
    place = (place.fillna(centre) - centre) * _MILES_PER_DEGREE
    place["longitude"] *= np.cos(np.radians(centre["latitude"]))
    by_id = place.reindex(range(ZONE_IDS), fill_value=0.0).astype("float32")
    return Zones(
        names={
            int(zone_id): (borough, zone)
            for zone_id, borough, zone in table[["borough", "zone"]].itertuples()
        },
        east=by_id["longitude"].to_numpy(),
        north=by_id["latitude"].to_numpy(),
    )
