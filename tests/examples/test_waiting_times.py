"""What the recommender's table is made of: months of trips, ways, rates and waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from examples.recommender import waiting_times
from examples.recommender.waiting_times import (
    hourly_rates,
    read_month,
    travel_minutes,
    waiting_minutes,
)
from tests.examples.drawn_trips import three_zones, trips
from training.errors import TripDataError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_way_takes_the_median_of_its_trips_or_what_its_distance_says() -> None:
    often = [(60.0 * number, 60.0 * number + 20 + number, 74, 236) for number in range(11)]
    there = travel_minutes([trips(*often, (0.0, 8.0, 74, 75), (0.0, 50.0, 4, 74))])

    assert there[74, 236] == 25
    assert there[74, 75] != 8  # one trip says little
    assert there[74, 75] < there[4, 74]
    assert there[74, 74] == 0
    for few in ([(0.0, 8.0, 74, 74)], [(0.0, 8.0, 74, 75), (1.0, 9.0, 75, 74)]):
        with pytest.raises(TripDataError, match="too few trips between zones to say how long"):
            travel_minutes([trips(*few)])


def test_rates_are_counts_drawn_to_what_the_city_does() -> None:
    rows = [(0.0, 70.0, 74, 75), (5.0, 70.0, 74, 75), (60.0, 70.0, 75, 0)]
    rates = hourly_rates([trips(*rows)])

    # One week, in which hour 0 has two of the city's three pickups: (2 + 4 * 2 * 2 / 3) / 5.
    assert rates.pickups[0, 74] == pytest.approx((2 + 16 / 3) / 5)
    assert rates.pickups[1, 74] == pytest.approx((0 + 8 / 3) / 5)
    assert rates.dropoffs[1, 75] == pytest.approx(2)
    again = hourly_rates([trips(*rows), trips(*rows)])  # two weeks alike
    assert again.pickups.sum() == pytest.approx(rates.pickups.sum())


def test_a_wait_is_the_time_in_a_queue_of_those_who_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_times, "HOURS", 4)
    rates, there = three_zones(4)

    alone = waiting_minutes(rates, there, followers=0)
    waiting = waiting_minutes(rates, there, followers=0.5)

    assert alone[0, [1, 2, 3]].tolist() == [5, 10, 60]
    assert np.isinf(waiting[:, 0]).all()
    # By other means: who goes where at these waits, and how long the queues then are.
    minutes = there + waiting[0]
    shares = np.exp(-minutes / 2)
    going = 0.5 * rates.dropoffs[0] @ (shares / shares.sum(axis=1, keepdims=True))
    assert going.sum() == pytest.approx(0.5 * rates.dropoffs[0].sum())
    for zone in (1, 2, 3):
        assert waiting[0, zone] == pytest.approx(
            60 / (rates.pickups[0, zone] - going[zone]), rel=0.05
        )
        assert waiting[0, zone] >= alone[0, zone]


def test_a_month_is_read_without_what_is_no_trip_of_it(tmp_path: Path) -> None:
    day = datetime(2025, 3, 3)  # noqa: DTZ001  New York's local time
    rows = [
        (day, 10, "74", "75", 12.0),
        (day + timedelta(days=1, minutes=5), 10, "75", "265", 9.0),
        (day + timedelta(days=2), 10, "264", "75", 9.0),  # nowhere
        (day + timedelta(days=3), 200, "74", "75", 9.0),  # a meter left on
        (day + timedelta(days=4), 10, "74", "75", -9.0),  # taken back
        (datetime(2008, 12, 31), 10, "74", "75", 9.0),  # noqa: DTZ001  of another month
    ]
    starts, lengths, pickups, dropoffs, fares = (list(each) for each in zip(*rows, strict=True))
    ends = [at + timedelta(minutes=length) for at, length in zip(starts, lengths, strict=True)]
    columns = (starts, ends, pickups, dropoffs, fares)
    names = (*("lpep_pickup_datetime", "lpep_dropoff_datetime"), "PULocationID", "DOLocationID")
    pq.write_table(
        pa.table(dict(zip((*names, "fare_amount"), columns, strict=True))), tmp_path / "m.parquet"
    )

    month = read_month(tmp_path / "m.parquet")

    assert (month.month, month.first_hour, month.days) == ("2025-03", 0, 2)
    assert month.pickup.tolist() == [0, 24 * 60 + 5]
    assert month.dropoff.tolist() == [10, 24 * 60 + 15]
    assert month.pickup_zone.tolist() == [74, 75]
    assert month.dropoff_zone.tolist() == [75, 0]
    assert month.hours_of_week(month.pickup).tolist() == [0, 24]
