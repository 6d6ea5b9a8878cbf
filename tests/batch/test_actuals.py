"""Predictions beside what really happened, by month and zone, as numbers and as a map."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import duckdb
import pyarrow as pa
import pytest

from batch.actuals import ZoneMonth, compare
from batch.databases import open_database
from batch.errors import DatabaseError, SourceError
from batch.interval import Interval
from batch.predictions_reader import complete_intervals
from batch.rides_table import RidesTable
from batch.scoring import Request, score
from batch.zone_map import SCALE, TOO_FEW, colour, zone_map
from scripts.congestion import main
from tests.batch.trip_files import PICKUP, trip, write

if TYPE_CHECKING:
    from pathlib import Path

DROPOFF = "lpep_dropoff_datetime"
MORE = {DROPOFF: pa.timestamp("us"), "tip_amount": pa.float64()}
SPRING = Interval.parse("2025-03-01", "2025-05-01")


def ended(minutes: float, month: int = 3, zone: int = 74, **changed: Any) -> dict[str, Any]:
    pickup = datetime(2025, month, 2, 9)  # noqa: DTZ001  local time
    values = {"PULocationID": zone, "payment_type": 1, "tip_amount": 3.0, **changed}
    return trip(1, **{PICKUP: pickup, DROPOFF: pickup + timedelta(minutes=minutes), **values})


TRIPS = [
    *(ended(minutes) for minutes in (20, 30, 40)),
    ended(10, zone=75, payment_type=2, tip_amount=0.0),
    ended(50, month=4),
    ended(0.5),  # no ride
    ended(1000),  # a meter left running
    ended(20, zone=999),  # rejected: it has no prediction
]


@pytest.fixture
def table(tmp_path: Path) -> RidesTable:
    return RidesTable.named([write(tmp_path / "trips.parquet", TRIPS, **MORE)])


def scored(table: RidesTable, location: str, tmp_path: Path, interval: Interval = SPRING) -> None:
    with open_database(location) as database:
        score(Request(table, interval, tmp_path / "staging"), database)


@pytest.mark.rides
def test_rides_are_compared_by_month_and_zone(
    table: RidesTable, location: str, tmp_path: Path
) -> None:
    scored(table, location, tmp_path)

    found = compare(table, SPRING, location)

    assert (found.rows, found.compared) == (8, 5)
    assert [(z.month, z.zone, z.rides, z.actual, z.actual_tip) for z in found.zones] == [
        (date(2025, 3, 1), 74, 3, 30.0, 3.0),
        (date(2025, 3, 1), 75, 1, 10.0, None),
        (date(2025, 4, 1), 74, 1, 50.0, 3.0),
    ]
    march, _, april = found.zones
    assert march.predicted == pytest.approx(april.predicted, abs=3)  # the same ride
    assert march.slower == march.actual / march.predicted - 1


@pytest.mark.rides
def test_a_database_whose_name_is_a_pattern_is_compared(table: RidesTable, tmp_path: Path) -> None:
    location = str(tmp_path / "it's [1]*.duckdb")
    scored(table, location, tmp_path)

    assert compare(table, SPRING, location).compared == 5


@pytest.mark.rides
def test_a_ride_of_two_intervals_counts_once(
    table: RidesTable, location: str, tmp_path: Path
) -> None:
    march = Interval.parse("2025-03-01", "2025-04-01")
    scored(table, location, tmp_path)
    before = compare(table, SPRING, location)
    scored(table, location, tmp_path, march)

    assert compare(table, SPRING, location) == before
    assert complete_intervals(location, before.model) == [march, SPRING]


@pytest.mark.rides
def test_what_was_never_scored_is_one_line(
    table: RidesTable, location: str, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseError, match="has no predictions of "):
        compare(table, SPRING, location)
    assert complete_intervals(location, "any") == []
    scored(table, location, tmp_path)
    with pytest.raises(DatabaseError, match="has no predictions of "):
        compare(table, Interval.parse("2024-03-01", "2024-05-01"), location)


@pytest.mark.rides
def test_a_table_without_dropoffs_is_one_line(tmp_path: Path) -> None:
    location = str(tmp_path / "predictions.duckdb")
    table = RidesTable.named([write(tmp_path / "trips.parquet", [trip()])])
    scored(table, location, tmp_path)
    with pytest.raises(SourceError, match=f"the table has no column {DROPOFF}; it has "):
        compare(table, SPRING, location)


@pytest.mark.rides
def test_a_database_of_another_model_is_one_line(table: RidesTable, tmp_path: Path) -> None:
    location = str(tmp_path / "predictions.duckdb")
    scored(table, location, tmp_path)
    with duckdb.connect(location) as db:
        db.execute("ALTER TABLE predictions DROP COLUMN ride_tip")
    with pytest.raises(DatabaseError, match=r"predictions\.duckdb cannot be read: .*ride_tip"):
        compare(table, SPRING, location)


@pytest.mark.rides
def test_the_program_shows_the_table_and_writes_the_map(
    table: RidesTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    location, output = str(tmp_path / "predictions.duckdb"), tmp_path / "maps" / "map.svg"
    scored(table, location, tmp_path)
    options = ["--data", *map(str, table.files), "--database", location, "--least", "2"]

    status = main(
        [*options, "--since", "2025-03-01", "--until", "2025-05-01", "--output", str(output)]
    )

    out = capsys.readouterr().out
    assert status == 0
    assert "5 of 8 rides have a prediction and took 1 to 180 minutes" in out
    assert re.search(r"2025-03 .* 4 .* 25\.0", out)
    ET.fromstring(output.read_text())  # noqa: S314  the test's own


@pytest.mark.rides
@pytest.mark.parametrize(
    ("columns", "without"),
    [
        (100, None),
        (80, "predicted tip, actual tip"),
        (60, "predicted min, actual min, predicted tip, actual tip"),
        (40, "predicted min, actual min, predicted tip, actual tip"),
    ],
)
def test_a_narrow_terminal_folds_names_and_says_what_is_left_out(
    columns: int,
    without: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    location = str(tmp_path / "predictions.duckdb")
    longest = RidesTable.named([write(tmp_path / "t.parquet", [ended(20, zone=103)], **MORE)])
    scored(longest, location, tmp_path)
    options = ["--data", str(longest.files[0]), "--database", location, "--least", "1"]
    bounds = ["--since", "2025-03-01", "--until", "2025-05-01"]

    main([*options, *bounds, "--output", str(tmp_path / "map.svg")])

    out = capsys.readouterr().out
    assert "…" not in out
    shown = "".join(line.split("│")[2].strip() for line in out.splitlines() if "│" in line)
    assert "Governor'sIsland/EllisIsland/LibertyIsland,Manhattan" in shown.replace(" ", "")
    assert ("$3.00" in out) is (without is None)
    line = f"The terminal has {columns} columns: without {without}; COLUMNS=100 shows them\n"
    assert (line in out) is (without is not None)


def zone(number: int, slower: float, rides: int = 500) -> ZoneMonth:
    return ZoneMonth(date(2025, 3, 1), number, rides, 10.0, 10.0 * (1 + slower), None, None)


@pytest.mark.parametrize(
    ("slower", "words"),
    [
        (-0.9, "over 30% faster"),
        (-0.05, "5 to 15% faster"),
        (0.0, "as predicted, within 5%"),
        (0.051, "5 to 15% slower"),
        (0.2, "15 to 30% slower"),
        (9.0, "over 30% slower"),
    ],
)
def test_a_colour_says_how_much_slower(slower: float, words: str) -> None:
    assert {found: said for _, found, said in SCALE}[colour(slower)] == words


def test_the_map_shows_each_zone_in_its_colour_and_few_rides_in_grey() -> None:
    picture = zone_map([zone(74, 0.4), zone(75, -0.1), zone(7, 0.4, rides=3)], 100)
    drawn = {
        use.attrib["href"]: (use.attrib["fill"], use[0].text)
        for use in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}use")  # noqa: S314
    }

    assert drawn["#z74"] == (colour(0.4), "East Harlem North, Manhattan: +40%, 500 rides")
    assert drawn["#z75"][0] == colour(-0.1)
    assert drawn["#z7"] == (TOO_FEW, "Astoria, Queens: fewer than 100 rides")
    assert len(drawn) > 250
    assert "March 2025" in picture


@pytest.mark.parametrize("location", ["mysql://me:s3cret@host/name", "predictions.txt"])
def test_a_location_that_is_no_database_is_one_line(
    location: str, table: RidesTable, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds = ["--since", "2025-03-01", "--until", "2025-04-01"]

    assert main(["--data", str(table.files[0]), *bounds, "--database", location]) == 1

    error = capsys.readouterr().err
    assert error.startswith("error: DATABASE is ")
    assert "s3cret" not in error
    assert error.count("\n") == 1


def test_a_comparison_without_a_table_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "", "--since", "2025-03-01", "--until", "2025-04-01"]) == 1

    assert capsys.readouterr().err == (
        "error: DATA is not set; allowed: Parquet files, or one DuckDB file\n"
    )
