from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from demo.ride_generator import read_statistics
from tests.training.city import QUIET, city_trips, tlc_table
from training.ride_statistics import count_statistics
from training.trips import read_trips
from training.zones import load_zones

if TYPE_CHECKING:
    from pathlib import Path


def test_only_pairs_with_enough_trips_are_listed_most_frequent_first(
    tmp_path: Path,
) -> None:
    table = pd.concat(
        [
            tlc_table(trips=19).assign(PULocationID=7, DOLocationID=8),
            tlc_table(trips=20).assign(PULocationID=74, DOLocationID=75),
            tlc_table(trips=30).assign(PULocationID=74, DOLocationID=41),
        ]
    ).assign(trip_distance=[1.0, 2.0, 3.0] * 23)
    path = tmp_path / "green_tripdata_2023-01.parquet"
    table.to_parquet(path)

    statistics = count_statistics(read_trips([path], QUIET), load_zones())

    assert statistics["pairs"] == [[74, 41, 30, 1.0, 2.0, 3.0], [74, 75, 20, 1.0, 2.0, 3.0]]


def test_hours_and_codes_are_counted(tmp_path: Path) -> None:
    start = pd.to_datetime(["2023-01-02 00:30:00"] * 2 + ["2023-01-08 23:59:59"] * 2)  # Mon, Sun
    path = tmp_path / "green_tripdata_2023-01.parquet"
    tlc_table(trips=4).assign(
        lpep_pickup_datetime=start,
        lpep_dropoff_datetime=start + pd.Timedelta(minutes=9),
        payment_type=[1.0, 1.0, 2.0, None],
        passenger_count=[1.0, 5.0, 1.0, 1.0],
        trip_distance=[1.0, 2.0, 3.0, 5.0],
    ).to_parquet(path)

    statistics = count_statistics(read_trips([path], QUIET), load_zones())

    assert statistics["hour_of_week"] == [2, *[0] * 166, 2]
    assert statistics["payment_type"] == pytest.approx({"1": 2 / 3, "2": 1 / 3}, abs=1e-6)
    assert statistics["passenger_count"] == {"1": 0.75, "5": 0.25}
    assert len(statistics["distance_quantiles"]) == 21
    assert statistics["distance_quantiles"][0] == 1
    assert statistics["distance_quantiles"][-1] == 5


def test_the_demo_can_read_the_statistics(tmp_path: Path) -> None:
    statistics = count_statistics(city_trips(tmp_path), load_zones())
    path = tmp_path / "statistics.json"
    path.write_text(json.dumps(statistics))

    assert len(read_statistics(path).zones) == 265
