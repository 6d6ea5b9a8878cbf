"""Which tables and files are read, and how those that cannot be are refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.errors import SourceError
from batch.rides_table import RidesTable, source_errors
from batch.row_mapping import row_mapping
from batch.scoring import Request
from tests.batch.scored_rows import MARCH, request, rows, score_into
from tests.batch.trip_files import trips, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.rides
def test_the_rows_of_a_duckdb_table_are_scored(location: str, month: Path, tmp_path: Path) -> None:
    file = tmp_path / "rides.duckdb"
    with duckdb.connect(str(file)) as db:
        db.read_parquet(str(month)).create("trips")
    wanted = Request(RidesTable.named([file], "trips"), MARCH, tmp_path / "staging")

    report = score_into(location, wanted)

    assert (report.counts.predicted, report.counts.rejected) == (500, 2)
    assert rows(location)[0][0][4] == "trips:0"


@pytest.mark.rides
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.drop_columns(["PULocationID"]), {}, "the table has no column PULocationID"),
        (
            lambda t: t.set_column(0, "lpep_pickup_datetime", pa.array(["x"] * len(t))),
            {},
            "the column lpep_pickup_datetime is VARCHAR; allowed: TIMESTAMP or DATE",
        ),
        (
            lambda t: t.drop_columns(["lpep_pickup_datetime"]),
            {},
            "the table has no column lpep_pickup_datetime or tpep_pickup_datetime",
        ),
        (lambda t: t, {"key": "nowhere"}, "the table has no column nowhere"),
        (lambda t: t, {"key": "payment_type"}, "the key payment_type is '0' in several rows"),
        (lambda t: t, {"event": "no sql", "time": "PULocationID"}, "PULocationID is INTEGER"),
    ],
)
def test_a_table_that_does_not_fit_is_an_error_of_one_line(
    location: str, month: Path, change: Any, options: dict[str, Any], message: str
) -> None:
    pq.write_table(change(pq.read_table(month)), month)

    with pytest.raises(SourceError) as raised:
        score_into(location, request([month], **options))

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.rides
def test_a_damaged_file_is_an_error_of_one_line(location: str, month: Path) -> None:
    month.write_bytes(b"PAR1" + bytes(100))

    with pytest.raises(SourceError, match=r"the table cannot be read: .*") as raised:
        score_into(location, request([month]))
    assert "\n" not in str(raised.value)


def test_a_name_that_would_make_keys_too_long_is_refused(tmp_path: Path) -> None:
    """The key is the name and the row's number, and an event's id has at most 128 characters."""
    file, name = tmp_path / "trips.duckdb", "t" * 101
    file.touch()

    for named in (([file], name), ([write(tmp_path / f"{name}.parquet", trips(1))],)):
        with pytest.raises(SourceError, match=f"the name {name} is longer than 100 characters"):
            RidesTable.named(*named)


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    missing, text = tmp_path / "march.parquet", tmp_path / "march.csv"
    text.touch()
    (tmp_path / "other").mkdir()
    twice = [tmp_path / "march.parquet", tmp_path / "other" / "march.parquet"]

    with pytest.raises(SourceError, match="no such file"):
        RidesTable.named([missing])
    with pytest.raises(SourceError, match=r"allowed: files \*.parquet, or one \*.duckdb"):
        RidesTable.named([text])
    for path in twice:
        path.touch()
    with pytest.raises(SourceError, match=r"march.parquet twice; allowed: each name once"):
        RidesTable.named(twice)


def test_times_of_an_event_are_local(tmp_path: Path) -> None:
    """A column with an offset is compared as New York local time."""
    path = tmp_path / "readings.parquet"
    at = pa.array([datetime(2025, 3, 1, 4, 59), datetime(2025, 3, 1, 5)], pa.timestamp("us", "UTC"))  # noqa: DTZ001
    pq.write_table(pa.table({"at": at}), path)

    with RidesTable.named([path]).open() as opened:
        mapping = row_mapping(opened.types(path), time="at")
        assert opened.count(mapping, MARCH) == (1, 0)


def test_an_interruption_that_duckdb_reports_as_an_error_stays_one() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise KeyboardInterrupt

    reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
    with pytest.raises(KeyboardInterrupt), source_errors(), duckdb.connect() as db:
        db.from_arrow(reader).fetchall()
