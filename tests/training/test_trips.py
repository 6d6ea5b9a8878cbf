from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import model_graph
from tests.training.city import QUIET, tlc_table, write_month
from training.errors import TripDataError
from training.trips import INPUTS, card_trips, inputs, month_of, read_trips

if TYPE_CHECKING:
    from pathlib import Path


def test_training_and_serving_have_the_same_inputs() -> None:
    assert INPUTS == model_graph.FEATURES


def test_a_trip_becomes_the_inputs_of_a_model(tmp_path: Path) -> None:
    table = tlc_table(trips=1).assign(
        lpep_pickup_datetime=pd.Timestamp("2023-01-10 08:15:36"),  # a Tuesday
        lpep_dropoff_datetime=pd.Timestamp("2023-01-10 08:36:54"),
        PULocationID=130,
        DOLocationID=205,
        trip_distance=3.66,
        passenger_count=np.nan,
        payment_type=1.0,
        tip_amount=2.41,
    )
    path = tmp_path / "green_tripdata_2023-01.parquet"
    table.to_parquet(path)

    (trip,) = read_trips([path], QUIET).to_dict("records")

    assert trip["PULocationID"] == 130
    assert trip["DOLocationID"] == 205
    assert trip["trip_distance"] == pytest.approx(3.66)
    assert trip["hour"] == pytest.approx(8.26)
    assert trip["weekday"] == 1
    assert np.isnan(trip["passenger_count"])
    assert trip["payment_type"] == 1
    assert trip["duration"] == pytest.approx(21.3)
    assert trip["tip"] == pytest.approx(2.41)


def test_files_of_2021_and_of_2025_read_alike(tmp_path: Path) -> None:
    table = tlc_table()
    of_2021 = write_month(
        tmp_path,
        PULocationID=table["PULocationID"].astype(str),
        DOLocationID=table["DOLocationID"].astype(str),
        duration=12.5,
        ehail_fee=pd.Series([None] * len(table)),
    )
    old = read_trips([of_2021], QUIET)
    of_2025 = write_month(tmp_path, cbd_congestion_fee=0.75, trip_type=1)
    new = read_trips([of_2025], QUIET)

    pd.testing.assert_frame_equal(old, new)


def test_a_month_that_lacks_a_column_is_named_with_the_column(tmp_path: Path) -> None:
    good, bad = write_month(tmp_path), write_month(tmp_path, "2023-02", trip_distance=None)

    with pytest.raises(TripDataError, match="month 2023-02 lacks the column trip_distance"):
        read_trips([good, bad], QUIET)


def test_a_file_that_is_missing_or_not_parquet_is_named_with_its_month(tmp_path: Path) -> None:
    absent = tmp_path / "green_tripdata_2024-05.parquet"
    with pytest.raises(TripDataError, match="month 2024-05 has no file"):
        read_trips([absent], QUIET)

    absent.write_text("<html>not found</html>")
    with pytest.raises(TripDataError, match="month 2024-05 cannot be read"):
        read_trips([absent], QUIET)


def test_a_month_without_a_usable_trip_is_named(tmp_path: Path) -> None:
    path = write_month(tmp_path, trip_distance=0.0)

    with pytest.raises(TripDataError, match="month 2023-01 holds no usable trip"):
        read_trips([path], QUIET)


@pytest.mark.parametrize(
    ("miles", "minutes", "zone", "kept"),
    [
        (3.0, 1.0, 130, True),
        (60.0, 60.0, 265, True),
        (0.0, 10.0, 130, False),
        (60.1, 10.0, 130, False),
        (3.0, 0.9, 130, False),
        (3.0, 60.1, 130, False),
        (3.0, 10.0, 266, False),
        (3.0, 10.0, 0, False),
    ],
)
def test_only_trips_that_every_published_baseline_keeps_are_read(
    tmp_path: Path, miles: float, minutes: float, zone: int, *, kept: bool
) -> None:
    start = pd.Timestamp("2023-01-10 08:00")
    odd = tlc_table(trips=1).assign(
        lpep_pickup_datetime=start,
        lpep_dropoff_datetime=start + pd.Timedelta(minutes=minutes),
        trip_distance=miles,
        PULocationID=zone,
    )
    path = tmp_path / "green_tripdata_2023-01.parquet"
    pd.concat([tlc_table(trips=10), odd]).to_parquet(path)

    assert len(read_trips([path], QUIET)) == 10 + kept


def test_trips_are_ordered_by_pick_up_in_any_order_of_the_files(
    tmp_path: Path,
) -> None:
    later, earlier = write_month(tmp_path, "2023-02"), write_month(tmp_path, "2023-01")

    trips = read_trips([later, earlier], QUIET)

    assert trips["pickup"].is_monotonic_increasing
    assert trips["pickup"].dt.month.unique().tolist() == [1, 2]


def test_values_known_only_at_the_end_of_a_ride_change_no_input(tmp_path: Path) -> None:
    plain = read_trips([write_month(tmp_path)], QUIET)
    table = tlc_table()
    sooner = table["lpep_dropoff_datetime"] - pd.Timedelta(minutes=1)
    other = read_trips(
        [
            write_month(
                tmp_path,
                fare_amount=99.0,
                tolls_amount=6.94,
                tip_amount=9.0,
                lpep_dropoff_datetime=sooner,
            )
        ],
        QUIET,
    )

    for name in INPUTS:
        np.testing.assert_array_equal(inputs(plain)[name], inputs(other)[name])


def test_tips_are_known_for_card_payers_only(tmp_path: Path) -> None:
    path = tmp_path / "green_tripdata_2023-01.parquet"
    payment = [1.0, 2.0, np.nan, 1.0, 1.0, 1.0]
    tip = [2.5, 0.0, 3.0, -1.0, 50.01, 0.0]
    tlc_table(trips=6).assign(payment_type=payment, tip_amount=tip).to_parquet(path)

    assert card_trips(read_trips([path], QUIET))["tip"].tolist() == [2.5, 0.0]


def test_a_file_without_a_month_in_its_name_is_identified_by_its_name(tmp_path: Path) -> None:
    assert month_of(tmp_path / "green_tripdata_2023-01.parquet") == "2023-01"
    assert month_of(tmp_path / "mine.parquet") == "mine"
