"""Rows as a Parquet file."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.archive.parquet_file import parquet_file
from tests.streaming.archive.archive_fixtures import READINGS

if TYPE_CHECKING:
    from streaming.archive.table import Row

ARRIVED = datetime.fromisoformat("2025-03-01T13:15:00Z")


def test_a_column_has_its_type_whatever_its_values() -> None:
    rows: list[Row] = [("a", None, ARRIVED, 20), ("b", None, ARRIVED, None)]

    found = pq.read_table(BytesIO(parquet_file(READINGS, rows)))

    assert found.schema.types == [
        pa.string(),
        pa.string(),
        pa.timestamp("us", tz="UTC"),
        pa.float64(),
    ]
    assert found["machine"].to_pylist() == [None, None]
    assert found["celsius"].to_pylist() == [20.0, None]


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "m1", ARRIVED, 20.0), ("b", "m2", ARRIVED)],
        [("a", "m1", ARRIVED)],
        [("a", "m1", ARRIVED, 20.0, "more")],
        [("a", "m1", ARRIVED, 20.0), ("b", "m2", ARRIVED, 20.0, "more")],
    ],
    ids=["one too short", "all too short", "all too long", "one too long"],
)
def test_rows_without_a_value_for_each_column_are_an_error(rows: list[Row]) -> None:
    with pytest.raises(ValueError, match="argument"):
        parquet_file(READINGS, rows)


def test_a_value_of_another_type_is_an_error() -> None:
    with pytest.raises(TypeError, match="int"):
        parquet_file(READINGS, [("a", 5, ARRIVED, 20.0)])


def test_a_file_is_compressed() -> None:
    content = parquet_file(READINGS, [("a", "m1" * 10_000, ARRIVED, 20.0)] * 100)

    assert len(content) < 10_000
    assert pq.read_metadata(BytesIO(content)).row_group(0).column(0).compression == "ZSTD"
