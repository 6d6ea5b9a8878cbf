"""Predictions beside what really happened, by month and pickup zone: where the city is slower.

DuckDB joins them by the ride's key, in a file that is deleted afterwards: memory stays bounded. The
predictions may be in a DuckDB file or on PostgreSQL.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from batch.errors import DatabaseError, SourceError
from batch.interval import Interval
from batch.predictions_database import shown_location
from batch.predictions_reader import fetch_all, fetch_parts, read_error
from batch.rides_table import DUCKDB, OpenTable, RidesTable
from batch.row_mapping import AT, PICKUPS, RIDE, RowMapping, literal, quoted

LONGEST = 180
"""Minutes; longer rides, and those of less than one minute, are left out: meters left running."""

CARD = 1
"""The payment type whose tips are recorded."""

_NEWEST = """
SELECT model, version FROM runs WHERE status = 'complete' AND predicted > 0
    AND since < $until AND until > $since ORDER BY run DESC LIMIT 1
"""
_PREDICTED = """
SELECT ride, ride_duration, ride_tip FROM {table}
WHERE model = $model AND version = $version AND since < $until AND until > $since
"""
# Intervals may overlap, such as a day and its month: a ride counts once.
_JOIN = f"""
SELECT CAST(date_trunc('month', pickup) AS DATE), zone, count(*), avg(ride_duration), avg(minutes),
    avg(ride_tip) FILTER (card), avg(tip) FILTER (card AND ride_tip IS NOT NULL)
FROM actual JOIN (SELECT ride, any_value(ride_duration) AS ride_duration,
    any_value(ride_tip) AS ride_tip FROM predicted GROUP BY ride) USING (ride)
WHERE minutes BETWEEN 1 AND {LONGEST} AND ride_duration IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class ZoneMonth:
    """The rides of a month that began in a zone; minutes and US dollars are means.

    Attributes:
        month: Its first day.
        zone: The pickup's TLC taxi zone.
        rides: How many have a prediction and an actual duration.
        predicted: Minutes.
        actual: Minutes.
        predicted_tip: Of rides that were paid by card; None: none, or the model predicts no tips.
        actual_tip: Of the same rides.
    """

    month: date
    zone: int
    rides: int
    predicted: float
    actual: float
    predicted_tip: float | None
    actual_tip: float | None

    @property
    def slower(self) -> float:
        """By which share rides took longer than predicted; negative: they were faster."""
        return self.actual / max(self.predicted, 0.01) - 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found.

    Attributes:
        model: The model's name.
        version: The version whose predictions were compared: that of the interval's last run.
        rows: Rides of the interval in the table.
        compared: How many of them have a prediction and an actual duration.
        zones: By month and zone.
    """

    model: str
    version: str
    rows: int
    compared: int
    zones: list[ZoneMonth]


def compare(
    table: RidesTable, interval: Interval, location: str, key: str | None = None
) -> Comparison:
    """Compare predictions with the actual durations and tips of trip records.

    Args:
        table: The TLC's trip records.
        interval: Of the rides' pickups.
        location: The predictions database: a DuckDB file's path, or a `postgresql://` URL.
        key: The column that names a row, as when it was scored.

    Raises:
        SourceError: The table cannot be read, or lacks a column.
        DatabaseError: The database cannot be read, or has no predictions of the interval.
    """
    bounds: dict[str, Any] = {"since": interval.since, "until": interval.until}
    newest = fetch_all(location, _NEWEST, bounds)
    if not newest:
        raise DatabaseError(
            f"{shown_location(location)} has no predictions of {interval}; `make score` makes them"
        )
    chosen = {**bounds, "model": newest[0][0], "version": newest[0][1]}
    with _scratch() as db:
        with table.open() as opened:
            rows = _load_actual(db, table, opened, interval, key)
        _load_predicted(db, location, chosen)
        zones = [ZoneMonth(*row) for row in db.execute(_JOIN).fetchall()]
    compared = sum(zone.rides for zone in zones)
    return Comparison(chosen["model"], chosen["version"], rows, compared, zones)


@contextmanager
def _scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        tempfile.TemporaryDirectory(prefix="actuals-") as folder,
        duckdb.connect(f"{folder}/scratch.duckdb", config={**DUCKDB, "memory_limit": "1GB"}) as db,
    ):
        db.execute(
            "CREATE TABLE actual (ride VARCHAR, pickup TIMESTAMP, zone INTEGER, minutes DOUBLE, "
            "tip DOUBLE, card BOOLEAN)"
        )
        db.execute("CREATE TABLE predicted (ride VARCHAR, ride_duration DOUBLE, ride_tip DOUBLE)")
        yield db


def _load_actual(
    db: duckdb.DuckDBPyConnection,
    table: RidesTable,
    opened: OpenTable,
    interval: Interval,
    key: str | None,
) -> int:
    for file in table.files:
        mapping = _mapping(opened.types(file), key)
    pickup, dropoff, *_ = mapping.columns
    for part in opened.slices():
        for rows in opened.read(part, mapping, interval):
            db.register("read", rows)
            db.execute(
                f"INSERT INTO actual SELECT {RIDE}, {AT}, try_cast(PULocationID AS INTEGER), "
                f"date_diff('second', {quoted(pickup)}, {quoted(dropoff)}) / 60, "
                f"try_cast(tip_amount AS DOUBLE), "
                f"coalesce(try_cast(payment_type AS DOUBLE) = {CARD}, false) FROM read"
            )
            db.unregister("read")
    ((count,),) = db.execute("SELECT count(*) FROM actual").fetchall()
    return int(count)


def _mapping(types: dict[str, str], key: str | None) -> RowMapping:
    pickup = next((name for name in PICKUPS if name in types), PICKUPS[0])
    dropoff = pickup.replace("pickup", "dropoff")
    columns = (pickup, dropoff, "PULocationID", "tip_amount", "payment_type")
    for name in (*columns, *([key] if key else [])):
        if name not in types:
            raise SourceError(f"the table has no column {name}; it has {', '.join(types)}")
    return RowMapping(pickup, "", tuple(dict.fromkeys((*columns, *([key] if key else [])))), key)


def _load_predicted(db: duckdb.DuckDBPyConnection, location: str, chosen: dict[str, Any]) -> None:
    if "://" in location:
        _copy_from_postgresql(db, location, chosen)
        return
    try:
        db.execute(f"ATTACH {literal(location)} AS predictions (READ_ONLY)")
        query = _PREDICTED.format(table="predictions.predictions")
        db.execute(f"INSERT INTO predicted {query}", chosen)
    except duckdb.Error as error:
        raise read_error(location, error) from error


def _copy_from_postgresql(
    db: duckdb.DuckDBPyConnection, location: str, chosen: dict[str, Any]
) -> None:
    # DuckDB's own extension for PostgreSQL would have to be downloaded.
    names = ("ride", "ride_duration", "ride_tip")
    kinds = (pa.string(), pa.float64(), pa.float64())
    for part in fetch_parts(location, _PREDICTED.format(table="predictions"), chosen):
        columns = zip(*part, strict=True)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        db.register("read", pa.table(arrays, names=names))
        db.execute("INSERT INTO predicted FROM read")
        db.unregister("read")
