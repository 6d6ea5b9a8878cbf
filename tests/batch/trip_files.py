"""Trip records for the tests of batch scoring."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PICKUP = "lpep_pickup_datetime"
START = datetime(2025, 3, 1)  # noqa: DTZ001  local time, as in the TLC's files

TYPES = {
    PICKUP: pa.timestamp("us"),
    "PULocationID": pa.int32(),
    "DOLocationID": pa.int32(),
    "trip_distance": pa.float64(),
    "passenger_count": pa.int64(),
    "payment_type": pa.int64(),
}


def trip(number: int = 0, **changed: Any) -> dict[str, Any]:
    """Return a good trip, one each ten minutes from 1 March 2025."""
    return {
        PICKUP: START + timedelta(minutes=10 * number),
        "PULocationID": 1 + number % 265,
        "DOLocationID": 1 + number * 7 % 265,
        "trip_distance": round(0.5 + number % 100 * 0.37, 2),
        "passenger_count": number % 10,
        "payment_type": number % 7,
        **changed,
    }


def trips(count: int) -> list[dict[str, Any]]:
    return [trip(number) for number in range(count)]


def table(rows: Sequence[dict[str, Any]], **types: pa.DataType) -> pa.Table:
    schema = pa.schema(list({**TYPES, **types}.items()))
    return pa.Table.from_pylist(list(rows), schema=schema)


def write(path: Path, rows: Sequence[dict[str, Any]], group: int = 1000, **types: Any) -> Path:
    """Write a file whose row groups have so many rows."""
    pq.write_table(table(rows, **types), path, row_group_size=group)
    return path
