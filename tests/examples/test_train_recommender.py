"""The program that learns the recommender's table and measures it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from examples.recommender import train_recommender, waiting_times
from examples.recommender.model import Recommender
from tests.examples.drawn_trips import drawn_month, drivers, ended, three_zones, trips
from training.errors import TripDataError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_times, "ROUNDS", 5)


def month_file(path: Path, month: int = 3, **changes: list[Any]) -> Path:
    drawn = drawn_month(month)
    first = datetime(2025, month, 1)  # noqa: DTZ001  New York's local time
    columns: dict[str, list[Any]] = {
        "lpep_pickup_datetime": [first + timedelta(minutes=each) for each in drawn.pickup],
        "lpep_dropoff_datetime": [first + timedelta(minutes=each) for each in drawn.dropoff],
        "PULocationID": drawn.pickup_zone.tolist(),
        "DOLocationID": drawn.dropoff_zone.tolist(),
        "fare_amount": drawn.fare.tolist(),
        **changes,
    }
    pq.write_table(pa.table({name: values for name, values in columns.items() if values}), path)
    return path


def test_the_busiest_zone_near_is_within_15_minutes_of_the_drop_off() -> None:
    rates, there = three_zones(1)  # zone 1 has the most pickups
    there[3, 1] = 15.5
    free = drivers((0, 3), (0, 2))

    assert train_recommender._nearby(free, rates, there).tolist() == [2, 1]


def test_too_few_drop_offs_measure_nothing() -> None:
    few = trips((0, 9, 74, 75), (3, 40, 75, 236), days=1)

    with pytest.raises(TripDataError, match="too few drop-offs to measure with 10% of them"):
        train_recommender.figures({}, [few])


@pytest.mark.usefixtures("few_rounds")
def test_the_table_that_is_learnt_sends_drivers_where_people_wait(tmp_path: Path) -> None:
    policies = train_recommender.fit([drawn_month(1)], tmp_path)
    lines = train_recommender.figures(policies, [drawn_month(2)])

    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert len(rows) == 2 + 3 * len(policies)
    assert {len(row) for row in rows} == {len(train_recommender.COLUMNS)}
    minutes = {row[1]: float(row[2]) for row in rows if row[0] == "10%"}
    gained = minutes["recommender"] - minutes["stay where you are"]
    low, high = next(row[8].split(" to ") for row in rows if row[1] == "stay where you are")
    assert float(low) < gained < float(high) < -20
    model = Recommender(tmp_path / "zones.npz")
    event = model.decode(ended(DOLocationID=236), 0.0)
    assert event is not None
    (found,) = model.predict([event])
    assert (found.value["advice"], found.value["zones"][0]["zone"]) == ("go", 74)


@pytest.mark.usefixtures("few_rounds")
def test_the_program_trains_measures_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (month_file(tmp_path / f"{month}.parquet", month) for month in (1, 2))
    arguments = ["--data", str(one), "--held-out", str(two), "--output", str(tmp_path / "table")]

    assert train_recommender.main(arguments) == 0

    out = capsys.readouterr().out
    assert (tmp_path / "table" / "figures.md").read_text() in out
    assert Recommender(tmp_path / "table" / "zones.npz").version


@pytest.mark.parametrize(
    ("held_out", "error"),
    [
        ("1.parquet", "2025-01 is among the months to train on"),
        ("none.parquet", "no such file: "),
        ("no-fares.parquet", "no-fares.parquet has no column fare_amount"),
        ("text.parquet", "cannot read the trips in "),
    ],
)
def test_files_that_cannot_measure_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], held_out: str, error: str
) -> None:
    one = month_file(tmp_path / "1.parquet", 1)
    month_file(tmp_path / "no-fares.parquet", 2, fare_amount=[])
    (tmp_path / "text.parquet").write_text("trips")
    output = tmp_path / "table"
    arguments = ["--data", str(one), "--held-out", str(tmp_path / held_out)]

    assert train_recommender.main([*arguments, "--output", str(output)]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert error in line
    assert not output.exists()
