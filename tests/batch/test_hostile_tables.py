"""Tables, files and URLs that are made to break a run or to make it talk."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch import scoring, slice_worker
from batch.actuals import compare
from batch.databases import open_database
from batch.errors import DatabaseError, SourceError, StagingError
from batch.predictions_reader import fetch_all
from batch.rides_table import RidesTable
from batch.scoring import score
from streaming import Prediction
from tests.batch.scored_rows import MARCH, query, request, score_into, statuses
from tests.batch.trip_files import PICKUP, table, trips, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batch.staged_results import Counts

SECRET = "s3cret"  # noqa: S105  of nobody
AT = datetime(2025, 3, 2)  # noqa: DTZ001  local time
GOOD = '{"machine": "m"}'


class Machines:
    """Raises an exception whose message PostgreSQL cannot store, for a machine that is named so."""

    name, version, event_type = "machine_model", "1", "machine_predicted"

    def decode(self, content: bytes, _arrived_at: float) -> str:
        machine: str = msgspec.json.decode(content)["machine"]
        return machine

    def predict(self, events: Sequence[str]) -> list[Prediction]:
        if "broken" in events:
            raise ValueError("a\0b")
        return [Prediction(each, {"machine": each}) for each in events]


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scoring, slice_worker):
        monkeypatch.setattr(module, "load", Machines)


def events(path: Path, rows: Sequence[tuple[str, str]], **more: Any) -> Path:
    ids, found = zip(*rows, strict=True)
    columns = {"at": pa.array([AT] * len(rows), pa.timestamp("us")), "id": ids, "event": found}
    pq.write_table(pa.table({**columns, **more}), path)
    return path


@pytest.mark.usefixtures("machines")
def test_text_with_nul_reaches_either_database(location: str, tmp_path: Path) -> None:
    found = [("a\0", GOOD), ("b", '{"machine": "broken"}'), ("c\0", "\0"), ("d", GOOD)]
    file = events(tmp_path / "events.parquet", found)

    report = score_into(location, request([file], time="at", key="id"))

    assert (report.counts.predicted, report.counts.rejected) == (2, 2)
    assert query(location, "SELECT ride FROM predictions ORDER BY ride") == [("a\\x00",), ("d",)]
    rejects = query(location, "SELECT ride, error_message, event FROM rejects ORDER BY ride")
    assert rejects[0] == ("b", "ValueError: a\\x00b", '{"machine": "broken"}')
    assert rejects[1][::2] == ("c\\x00", "\\x00")


@pytest.mark.parametrize("column", ["_ride", "_AT"])
def test_a_column_that_a_run_adds_itself_is_refused(tmp_path: Path, column: str) -> None:
    file = events(tmp_path / "events.parquet", [("a", GOOD)], **{column: ["x"]})

    with pytest.raises(SourceError, match=f"has a column {column}; allowed: any name but _ride"):
        score_into(str(tmp_path / "p.duckdb"), request([file], time="at", key="id"))


@pytest.mark.rides
def test_pickups_in_nanoseconds_are_predicted(tmp_path: Path) -> None:
    pickups = pa.array([1_740_787_200_000_000_001] * 3, pa.timestamp("ns"))
    file = tmp_path / "trips.parquet"
    pq.write_table(table(trips(3)).set_column(0, PICKUP, pickups), file)

    report = score_into(str(tmp_path / "p.duckdb"), request([file]))

    assert report.counts.predicted == 3


@pytest.mark.rides
def test_a_damaged_staged_file_is_an_error_of_one_line(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_done: Counts, _rows: int) -> None:
        (staged,) = (tmp_path / "staging").rglob("*.predictions.parquet")
        staged.write_bytes(staged.read_bytes()[:100])

    monkeypatch.setattr(scoring, "_reconcile", cut)

    with pytest.raises(StagingError, match=r"cannot be used \(.*staging") as raised:
        score_into(postgresql, request([write(tmp_path / "trips.parquet", trips(3))]))

    assert "\n" not in str(raised.value)
    assert statuses(postgresql) == ["failed"]


@pytest.mark.rides
def test_a_file_that_is_replaced_while_it_is_read_commits_nothing(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batch.rides_table.SLICE_ROWS", 10)
    file = write(tmp_path / "march.parquet", trips(30), group=10)
    other = write(tmp_path / "other.parquet", trips(60)[30:], group=10)

    def replace(done: int, _rows: int) -> None:
        if done == 10:
            other.replace(file)

    with open_database(location) as database, pytest.raises(SourceError, match="has changed while"):
        score(request([file]), database, replace)

    assert query(location, "SELECT * FROM predictions") == []
    assert score_into(location, request([file])).resumed == 0


def test_a_file_of_another_program_has_nothing_downloaded(tmp_path: Path) -> None:
    location = str(tmp_path / "other.db")
    with sqlite3.connect(location) as other:
        other.execute("CREATE TABLE predictions (ride)")
    other.close()

    with pytest.raises(DatabaseError) as raised:
        fetch_all(location, "SELECT 1", {})

    assert "cannot be read" in str(raised.value)
    assert "download" not in str(raised.value)


def test_a_password_in_a_url_s_options_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = f"postgresql://127.0.0.1:1/rides?password={SECRET}"
    trip_file = RidesTable.named([write(tmp_path / "trips.parquet", trips(1))])

    with pytest.raises(DatabaseError) as unreachable:
        fetch_all(location, "SELECT 1", {})
    monkeypatch.setattr("batch.actuals.fetch_all", lambda *_: [])
    with pytest.raises(DatabaseError) as empty:
        compare(trip_file, MARCH, location)

    for raised in (unreachable, empty):
        assert str(raised.value).startswith("postgresql://127.0.0.1:1/rides ")
        assert SECRET not in str(raised.value)
