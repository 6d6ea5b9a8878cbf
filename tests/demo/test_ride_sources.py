from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.producer import OutgoingEnd, OutgoingRide
from demo.ride_generator import read_statistics
from demo.ride_sources import Rides, drawn_rides, replayed_rides
from lifecycle.ride_ended import decode_ride_ended
from model import RideModel
from streaming.errors import Poison

STATISTICS = read_statistics()


def routes(rides: Rides) -> list[tuple[int, int]]:
    return [ride.route for ride in rides.rides]


def is_poison(ride: OutgoingRide) -> bool:
    try:
        RideModel({}, version="1").decode(ride.data, arrived_at=0.0)
    except Poison:
        return True
    return False


@pytest.fixture
def month(tmp_path: Path) -> Path:
    table = pa.table(
        {
            "lpep_pickup_datetime": [datetime(2025, 3, 1, 12, minute) for minute in range(10)],  # noqa: DTZ001  as in the files
            "lpep_dropoff_datetime": [datetime(2025, 3, 1, 12, 12 + n) for n in range(10)],  # noqa: DTZ001  the same
            "tip_amount": [2.5] * 10,
            "PULocationID": [130] * 9 + [0],
            "DOLocationID": list(range(1, 11)),
            "trip_distance": [1.0] * 10,
            "passenger_count": [1] * 10,
            "payment_type": [1] * 10,
        }
    )
    pq.write_table(table, tmp_path / "month.parquet")
    return tmp_path / "month.parquet"


def test_the_requested_number_of_rides_is_generated() -> None:
    rides = drawn_rides(STATISTICS, count=25)
    assert rides.count == 25
    assert len(routes(rides)) == 25


def test_without_a_count_rides_never_end() -> None:
    rides = drawn_rides(STATISTICS)
    assert rides.count is None
    assert next(rides.rides).key < next(rides.rides).key


def test_poison_does_not_change_which_rides_are_generated() -> None:
    clean = routes(drawn_rides(STATISTICS, count=100, seed=3))
    assert routes(drawn_rides(STATISTICS, count=100, seed=3, poison_share=0.5)) == clean


def test_the_same_seed_selects_the_same_poison_records() -> None:
    runs = [drawn_rides(STATISTICS, count=100, seed=3, poison_share=0.2) for _ in range(2)]
    first, second = [[is_poison(ride) for ride in run.rides] for run in runs]
    assert first == second
    assert 5 < sum(first) < 40


def test_a_replay_has_every_trip_that_keeps_the_contract(month: Path) -> None:
    rides = replayed_rides(month)
    assert (rides.count, rides.skipped) == (9, 1)
    assert routes(rides) == [(130, dropoff) for dropoff in range(1, 10)]


def test_a_replay_has_the_end_of_every_ride_also_of_poison(month: Path) -> None:
    rides = replayed_rides(month, count=5, seed=1, poison_share=1.0)
    assert rides.events is not None
    events = [timed.event for timed in rides.events]
    starts = [event for event in events if isinstance(event, OutgoingRide)]
    ends = [event for event in events if isinstance(event, OutgoingEnd)]
    assert events == [*starts, *ends]
    assert [start.key for start in starts] == [end.key for end in ends]
    assert all(is_poison(start) for start in starts)
    for end in ends:
        ended = decode_ride_ended(end.data)
        assert ended is not None
        assert str(ended.ride_id) == end.key


@pytest.mark.parametrize(("requested", "replayed"), [(3, 3), (500, 9)])
def test_a_replay_has_at_most_the_requested_number_of_trips(
    month: Path, requested: int, replayed: int
) -> None:
    rides = replayed_rides(month, count=requested)
    assert rides.count == replayed
    assert len(routes(rides)) == replayed
