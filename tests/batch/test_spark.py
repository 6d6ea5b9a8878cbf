"""Over Spark, the predictions are those of `make score`, to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from batch.databases import open_database
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.scoring import Request, score
from tests.batch.trip_files import trip, trips, write

pytest.importorskip("pyspark", reason="docs/schedule.md says how to run this with Spark")
pytestmark = pytest.mark.rides

ROOT = Path(__file__).parents[2]
NUMBERS = "ride, ride_duration, ride_duration_low, ride_duration_high, ride_tip"
ERRORS = "ride, error_type, error_message, event"


def rows(query: str, *attached: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        for path in attached:
            db.execute(f"ATTACH '{path}' AS scored (READ_ONLY)")
        return db.execute(query).fetchall()


def test_predictions_and_rejects_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    bad = [
        trip(300, PULocationID=999),
        trip(300, trip_distance=-1.0),
        trip(300, passenger_count=77),
    ]
    one = write(tmp_path / "one.parquet", [*trips(3000), *bad], 500)
    two = write(tmp_path / "two.parquet", trips(1000), 500)
    since, until = "2025-03-02", "2025-03-15"
    request = Request(
        RidesTable.named([one, two]), Interval.parse(since, until), tmp_path / "staging"
    )
    database = tmp_path / "scored.duckdb"
    with open_database(str(database)) as opened:
        counts = score(request, opened).counts

    options = ["--data", f"{one} {two}", "--since", since, "--until", until]
    program = [sys.executable, "-m", "scripts", "score_spark", *options]
    done = subprocess.run(
        [*program, "--output", str(tmp_path / "spark")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        f"read {counts.read:,} = predicted {counts.predicted:,} + rejected 3 + skipped 0"
    )
    spark = f"read_parquet('{tmp_path}/spark/*.parquet')"
    expected = rows(f"SELECT {NUMBERS} FROM scored.predictions ORDER BY ride", database)  # noqa: S608  constants of this test
    found = rows(f"SELECT {NUMBERS} FROM {spark} WHERE error_type IS NULL ORDER BY ride")  # noqa: S608  constants of this test
    assert len(found) == counts.predicted > 2000
    assert found == expected
    expected = rows(f"SELECT {ERRORS} FROM scored.rejects ORDER BY ride", database)  # noqa: S608  constants of this test
    found = rows(f"SELECT {ERRORS} FROM {spark} WHERE error_type IS NOT NULL ORDER BY ride")  # noqa: S608  constants of this test
    assert len(found) == 3
    assert found == expected
