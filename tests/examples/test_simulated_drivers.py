"""Which simulated driver drives which trip."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from examples.recommender.simulated_drivers import EndedTrip, ended_rides, generated_trips
from tests.examples.drawn_trips import MONDAY_8


def test_a_simulated_driver_drives_one_trip_at_a_time() -> None:
    generated = generated_trips(300, random.Random(2))
    started = {trip.end["ride_id"]: trip.started_at for trip in generated}
    ends = ended_rides(generated, 2, random.Random(2))

    assert sorted(end["ride_id"] for end in ends) == list(range(1, 301))
    times = [datetime.fromisoformat(end["dropoff_datetime"]) for end in ends]
    assert times == sorted(times)
    free: dict[str, datetime] = {}
    for end, ended_at in zip(ends, times, strict=True):
        driver = end["driver_id"]
        assert driver not in free or free[driver] <= started[end["ride_id"]] + timedelta(seconds=1)
        free[driver] = ended_at
    assert len(free) >= 2


def test_a_trip_goes_to_a_free_driver_who_is_there_else_to_one_more() -> None:
    def trip(ride: int, start: int, end: int, pickup: int, dropoff: int) -> EndedTrip:
        zones = {"PULocationID": pickup, "DOLocationID": dropoff}
        at = [MONDAY_8 + timedelta(minutes=each) for each in (start, end)]
        return EndedTrip({"ride_id": ride}, zones, *at)

    ends = ended_rides(
        [trip(1, 0, 9, 7, 74), trip(2, 1, 8, 7, 75), trip(3, 9, 20, 74, 7), trip(4, 9, 20, 75, 7)],
        1,
        random.Random(1),
    )

    assert [(end["ride_id"], end["driver_id"], end["DOLocationID"]) for end in ends] == [
        (2, "d2", 75),
        (1, "d1", 74),
        (3, "d1", 7),
        (4, "d2", 7),
    ]
