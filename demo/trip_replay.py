"""Replays real trips as events: rides that start, in the order of their pickups, and their ends."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.parquet_library import install_command
from demo.errors import RidesUnavailable
from demo.ride_generator import RideEvent
from page.ride_records import RIDE_ENDED

_PICKUP = "lpep_pickup_datetime"
_ZONES = ("PULocationID", "DOLocationID")
_DISTANCE = "trip_distance"
_CODES = ("passenger_count", "payment_type")
_DROPOFF = "lpep_dropoff_datetime"
_TIP = "tip_amount"
_TIMES = (_PICKUP, _DROPOFF)
_NEEDED = (_PICKUP, *_ZONES, _DISTANCE, *_CODES)
_AT_THE_END = (_DROPOFF, _TIP)
"""Columns of the rides' ends; without drop-offs there are none."""

# What the events' contract allows.
_LAST_ZONE = 265
_MOST_MILES = 1_000
_MOST_DOLLARS = 1_000
_LAST_PAYMENT_TYPE = 6

_CHUNK_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Trip:
    """A trip as its two events.

    Attributes:
        start: A `ride_started` event.
        started_at: New York local time.
        end: A `ride_ended` event; None if the drop-off is missing, or before the pickup.
        ended_at: New York local time; None without an end.
    """

    start: RideEvent
    started_at: datetime
    end: RideEvent | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Replay:
    """The trips of a file that keep the contract.

    Attributes:
        table: A pyarrow table, the earliest pickup first.
        skipped: How many rows violate the contract: a zone outside 1-265, a distance that is
            missing, negative or above 1,000 miles, no pickup time.
    """

    table: Any
    skipped: int

    def rides(self, *, first_ride_id: int) -> Iterator[RideEvent]:
        """Yield the trips as `ride_started` events; see `trips`."""
        return (trip.start for trip in self.trips(first_ride_id=first_ride_id))

    def trips(self, *, first_ride_id: int) -> Iterator[Trip]:
        """Yield the trips, the earliest pickup first.

        Args:
            first_ride_id: The first ride's id; the next ones count up from it.
        """
        ride_id = first_ride_id
        for batch in self.table.to_batches(max_chunksize=_CHUNK_ROWS):
            for row in batch.to_pylist():
                yield _trip(ride_id, row)
                ride_id += 1


def open_replay(
    path: Path, *, import_module: Callable[[str], Any] = importlib.import_module
) -> Replay:
    """Read a green-taxi month as the TLC publishes it.

    Args:
        path: A parquet file.
        import_module: Imports a module by its name.

    Raises:
        RidesUnavailable: The file does not exist, cannot be read or lacks a column, or no parquet
            reader is installed; the message says which.
    """
    if not path.exists():
        raise RidesUnavailable(f"no such file: {path}")
    try:
        arrow, compute, parquet = (
            import_module(name) for name in ("pyarrow", "pyarrow.compute", "pyarrow.parquet")
        )
    except ImportError as error:
        raise RidesUnavailable(
            f"replaying trips needs a parquet reader: {install_command(sys.executable, Path.cwd())}"
        ) from error
    try:
        present = parquet.read_schema(path).names
        if missing := [column for column in _NEEDED if column not in present]:
            raise RidesUnavailable(f"{path} has no column {', '.join(missing)}")
        columns = [column for column in (*_NEEDED, *_AT_THE_END) if column in present]
        return _clean(parquet.read_table(path, columns=columns), arrow, compute)
    except (OSError, arrow.ArrowInvalid) as error:
        raise RidesUnavailable(f"cannot read the trips in {path}: {error}") from error


def _trip(ride_id: int, row: dict[str, Any]) -> Trip:
    started_at, ended_at, tip = row.pop(_PICKUP), row.pop(_DROPOFF), row.pop(_TIP)
    ride = {**row, "pickup_datetime": started_at.isoformat()}
    start = {"event_type": "ride_started", "ride_id": ride_id, "ride": ride}
    if ended_at is None or ended_at < started_at:
        return Trip(start, started_at, None, None)
    payment = row["payment_type"]
    end = {
        "event_type": RIDE_ENDED,
        "ride_id": ride_id,
        "dropoff_datetime": ended_at.isoformat(),
        "tip_amount": tip if tip is not None and 0 <= tip <= _MOST_DOLLARS else None,
        "payment_type": payment if payment in range(_LAST_PAYMENT_TYPE + 1) else None,
    }
    return Trip(start, started_at, end, ended_at)


def _clean(trips: Any, pa: Any, pc: Any) -> Replay:
    """Convert the columns, whose types differ by year, and drop rows that violate the contract."""
    for column in set(_AT_THE_END).difference(trips.column_names):
        trips = trips.append_column(column, pa.nulls(len(trips)))
    numbers = {
        column: pc.cast(trips[column], pa.float64())
        for column in (*_ZONES, _DISTANCE, *_CODES, _TIP)
    }
    whole = {
        column: pc.cast(
            pc.if_else(pc.is_finite(numbers[column]), numbers[column], None), pa.int64()
        )
        for column in (*_ZONES, *_CODES)
    }
    table = pa.table(
        {
            **{time: pc.cast(trips[time], pa.timestamp("s"), safe=False) for time in _TIMES},
            **{column: whole[column] for column in _ZONES},
            _DISTANCE: numbers[_DISTANCE],
            **{column: whole[column] for column in _CODES},
            _TIP: numbers[_TIP],
        }
    )
    keep = pc.and_(
        pc.greater_equal(table[_DISTANCE], 0), pc.less_equal(table[_DISTANCE], _MOST_MILES)
    )
    for zone in _ZONES:
        inside = pc.and_(pc.greater_equal(table[zone], 1), pc.less_equal(table[zone], _LAST_ZONE))
        keep = pc.and_(keep, inside)
    keep = pc.and_(keep, pc.is_valid(table[_PICKUP]))
    kept = table.filter(keep).sort_by(_PICKUP)
    return Replay(kept, skipped=len(table) - len(kept))
