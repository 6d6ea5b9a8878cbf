"""An archive of a made-up city's rides, whose drivers may have become slower."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd

from tests.lifecycle.ride_archive import RideArchive
from tests.training.city import tlc_table

if TYPE_CHECKING:
    from pathlib import Path


def write_city_archive(folder: Path, month: str, trips: int = 6_000, slower: float = 1.0) -> str:
    """Write a month of rides with their ends, and return the archive's location."""
    archive = RideArchive(folder)
    table = tlc_table(month, trips, seed=1)
    pickup = table["lpep_pickup_datetime"]
    minutes = (table["lpep_dropoff_datetime"] - pickup).dt.total_seconds() / 60 * slower
    starts = pickup.dt.tz_localize("America/New_York", nonexistent="shift_forward").dt.tz_convert(
        "UTC"
    )
    columns = ["PULocationID", "DOLocationID", "trip_distance", "passenger_count", "payment_type"]
    for ride, (row, start) in enumerate(zip(table.itertuples(), starts, strict=True)):
        at = start.to_pydatetime()
        values = {name: getattr(row, name) for name in columns}
        for name in ("passenger_count", "payment_type"):
            values[name] = None if pd.isna(values[name]) else int(values[name])
        archive.start(str(ride), at, **values)
        archive.end(
            str(ride),
            at + timedelta(minutes=minutes[row.Index]),
            tip_amount=row.tip_amount,
            payment_type=values["payment_type"],
        )
    return archive.write()
