"""What is in the predictions database after an interval was scored, once or again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.interval import Interval
from batch.scoring import score
from tests.batch.scored_rows import MARCH, query, request, rows, score_into, statuses
from tests.batch.trip_files import START, table, trip, trips, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.rides
def test_each_ride_of_the_interval_is_predicted_or_rejected(location: str, month: Path) -> None:
    report = score_into(location, request([month]))

    predictions, rejects = rows(location)
    assert (report.counts.read, len(predictions), len(rejects)) == (502, 500, 2)
    model, version, since, until, ride, *values = predictions[0]
    assert (model, version) == (report.model, report.version)
    assert (since, until, ride) == (MARCH.since, MARCH.until, "march:0")
    assert values[1] <= values[0] <= values[2]
    assert {row[4]: row[6] for row in rejects} == {
        "march:500": "ride.trip_distance is NaN; allowed: a number from 0 to 1000 "
        "(miles; 0 = unknown)",
        "march:501": "ride.PULocationID is 266; allowed: an integer from 1 to 265 "
        "(a TLC taxi zone)",
    }
    assert query(location, "SELECT status, read, predicted, rejected, skipped FROM runs") == [
        ("complete", 502, 500, 2, 0)
    ]


@pytest.mark.rides
def test_a_second_run_leaves_the_same_rows(location: str, month: Path) -> None:
    score_into(location, request([month]))
    first = rows(location)

    score_into(location, request([month], workers=2))

    assert rows(location) == first
    assert statuses(location) == ["complete", "complete"]


@pytest.mark.rides
def test_both_databases_hold_the_same_rows(postgresql: str, month: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "predictions.duckdb")
    for location in (postgresql, file):
        score_into(location, request([month]))

    assert rows(file) == rows(postgresql)


@pytest.mark.rides
def test_keys_and_events_are_stored_as_they_are(location: str, tmp_path: Path) -> None:
    """Whatever they hold, in the form in which they travel to the database."""
    hostile = [
        "",
        " ",
        ",",
        '"',
        'a"b',
        "a,b",
        "a\nb",
        "\\N",
        "\\.",
        "null",
        "NULL",
        "ü😀",
        "\t",
        "'",
        "x" * 129,
    ]
    found = table(trips(len(hostile))).append_column("key", pa.array(hostile))
    pq.write_table(found, tmp_path / "march.parquet")

    score_into(location, request([tmp_path / "march.parquet"], key="key"))

    predictions, rejects = rows(location)
    assert {row[4] for row in predictions} == set(hostile[1:-1])
    assert {row[4] for row in rejects} == {"", "x" * 129}
    assert {msgspec.json.decode(row[7])["ride_id"] for row in rejects} == {"", "x" * 129}


@pytest.mark.rides
def test_rides_that_arrive_late_are_there_after_the_next_run(
    location: str, month: Path, tmp_path: Path
) -> None:
    score_into(location, request([month]))
    late = write(tmp_path / "late.parquet", [trip(7), trip(8, trip_distance=-1.0)])

    score_into(location, request([month, late]))

    predictions, rejects = rows(location)
    assert len(predictions) == 501
    assert len(rejects) == 3


@pytest.mark.rides
def test_a_row_that_is_corrected_or_gone_is_so_after_the_next_run(
    location: str, tmp_path: Path
) -> None:
    bad = trip(2, trip_distance=float("nan"))
    path = write(tmp_path / "march.parquet", [trip(0), trip(1), bad, trip(3)])
    score_into(location, request([path]))
    before = rows(location)

    write(path, [trip(0), trip(1, trip_distance=30.0), trip(2)])
    score_into(location, request([path]))

    after = rows(location)
    assert [row[4] for row in before[0]] == ["march:0", "march:1", "march:3"]
    assert [row[4] for row in after[0]] == ["march:0", "march:1", "march:2"]
    assert after[0][0] == before[0][0]
    assert after[0][1] != before[0][1]
    assert after[1] == []


@pytest.mark.rides
def test_the_interval_is_half_open_and_other_intervals_stay(location: str, month: Path) -> None:
    day = START + timedelta(days=1)
    first, second = Interval(START, day), Interval(day, day + timedelta(days=1))

    score_into(location, request([month], first))
    score_into(location, request([month], second))

    found = query(location, "SELECT since, count(*) FROM predictions GROUP BY since ORDER BY since")
    assert found == [(since, 144) for since in (first.since, second.since)]


@pytest.mark.rides
def test_an_interval_without_rides_is_complete_and_empty(location: str, month: Path) -> None:
    score_into(location, request([month], Interval.parse("2030-01-01", "2030-01-02")))

    assert rows(location) == ([], [])
    assert statuses(location) == ["complete"]


@pytest.mark.rides
def test_a_dry_run_writes_nothing_and_says_why_rows_are_rejected(month: Path) -> None:
    report = score(request([month]), None)

    assert (report.counts.predicted, report.counts.rejected) == (500, 2)
    assert report.reasons[0].startswith("ride.trip_distance is NaN")
    assert list(month.parent.iterdir()) == [month]


@pytest.mark.rides
def test_slices_have_the_same_rows_whatever_their_number(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_into(location, request([month]))
    whole = rows(location)
    monkeypatch.setattr("batch.rides_table.SLICE_ROWS", 100)

    report = score_into(location, request([month]))

    assert report.slices == 6
    assert rows(location) == whole
