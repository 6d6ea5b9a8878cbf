"""The recommender: its model, its table, the replay that measures it, and a small run."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from examples.recommender import train_recommender, waiting_times
from examples.recommender.__main__ import main, run
from examples.recommender.driver_feeds import Feeds
from examples.recommender.fleet_replay import (
    Drivers,
    differences,
    drawn_drivers,
    joined,
    measured,
    replay,
)
from examples.recommender.model import EXAMPLES, TABLE, Recommender, load_model
from examples.recommender.simulated_drivers import EndedTrip, ended_rides, generated_trips
from examples.recommender.waiting_times import (
    HOURS,
    ZONES,
    Rates,
    Trips,
    hourly_rates,
    read_month,
    travel_minutes,
    waiting_minutes,
    write_table,
)
from scripts.check_model import behaviour
from streaming import InvalidEvent, check_members
from training.errors import TripDataError

RECOMMENDER = Path(train_recommender.__file__).parent
MONDAY_8 = datetime(2025, 3, 3, 8)  # noqa: DTZ001  New York's local time
LARGEST_TABLE = 300_000
"""Bytes that a repository should hold of it."""


def ended(**changes: Any) -> bytes:
    event = {
        "event_type": "ride_ended",
        "ride_id": 1,
        "driver_id": "d1",
        "DOLocationID": 1,
        "dropoff_datetime": MONDAY_8.isoformat(),
        **changes,
    }
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def table(path: Path, ways: dict[tuple[int, int], float], waits: dict[int, float]) -> Path:
    """Write a table in which the other ways take an hour, and the other zones have no pickup."""
    there = np.full((ZONES, ZONES), 60.0)
    np.fill_diagonal(there, 0)
    for way, minutes in ways.items():
        there[way] = minutes
    waiting = np.full((HOURS, ZONES), 360.0)
    for zone, minutes in waits.items():
        waiting[:, zone] = minutes
    write_table(path, there, waiting)
    return path


def test_it_is_a_model_that_predicts_its_examples() -> None:
    model = load_model({}, lambda: None)
    check_members(model)

    assert [*behaviour(model, EXAMPLES)] == []


def test_the_zones_with_the_fewest_expected_minutes_are_recommended(tmp_path: Path) -> None:
    ways = {(1, 2): 10.5, (1, 3): 4.0, (1, 4): 1.0}
    model = Recommender(table(tmp_path / "t.npz", ways, {1: 30.0, 2: 5.0, 3: 6.0, 4: 99.0}))

    event = model.decode(ended(), 0.0)
    assert event is not None
    (found,) = model.predict([event])

    assert found.partition_key == found.value["driver_id"] == "d1"
    assert (found.value["advice"], found.value["minutes_if_staying"]) == ("go", 30.0)
    keys = ("zone", "minutes_there", "minutes_waiting", "minutes")
    assert [tuple(each[key] for key in keys) for each in found.value["zones"]] == [
        (3, 4.0, 6.0, 10.0),
        (2, 10.5, 5.0, 15.5),
        (1, 0.0, 30.0, 30.0),
    ]
    assert found.value["zones"][2]["name"] == found.value["name"] == "Newark Airport"


def test_a_driver_stays_where_no_other_zone_is_better(tmp_path: Path) -> None:
    model = Recommender(table(tmp_path / "t.npz", {(1, 2): 10.0}, {1: 14.0, 2: 5.0}))
    here, elsewhere = (model.decode(ended(DOLocationID=zone), 0.0) for zone in (1, 2))
    assert here is not None
    assert elsewhere is not None

    one, other = model.predict([here, elsewhere])

    assert (one.value["advice"], one.value["zones"][0]["zone"]) == ("stay", 1)
    assert (other.value["advice"], other.value["zones"][0]["zone"]) == ("stay", 2)


def test_the_hour_of_the_week_decides_how_long_a_wait_is(tmp_path: Path) -> None:
    there, waiting = np.full((ZONES, ZONES), 60.0), np.full((HOURS, ZONES), 360.0)
    np.fill_diagonal(there, 0)
    waiting[24 + 8, 1], waiting[24 + 9, 1] = 7.0, 8.0  # Tuesday, 8:00 and 9:00
    write_table(tmp_path / "t.npz", there, waiting)
    model = Recommender(tmp_path / "t.npz")
    at = ("2025-03-03T08:30:00", "2025-03-04T08:30:00", "2025-03-04T09:00:00")
    events = [model.decode(ended(dropoff_datetime=each), 0.0) for each in at]

    found = model.predict([event for event in events if event is not None])

    assert [each.value["minutes_if_staying"] for each in found] == [360, 7, 8]


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, "2025-03-03T08:00:00"),
        ({"dropoff_datetime": "2025-03-03T13:30:00Z"}, "2025-03-03T08:30:00"),
        ({"dropoff_datetime": "2025-07-07 13:30:00+00:00"}, "2025-07-07T09:30:00"),
        ({"dropoff_datetime": None}, "2025-03-01T08:15:00"),
    ],
)
def test_a_driver_is_free_at_new_yorks_local_time(changes: dict[str, Any], at: str) -> None:
    event = load_model({}, lambda: None).decode(ended(**changes), 1_740_834_900.0)

    assert event is not None
    assert event.free_at.isoformat() == at


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"driver_id": None}, "driver_id is missing; allowed: a string of 1 to 128 characters"),
        ({"driver_id": ""}, 'driver_id is ""; allowed: a string of 1 to 128 characters'),
        ({"driver_id": "d" * 129}, "driver_id is .*; allowed: a string of 1 to 128 characters"),
        ({"ride_id": 2**63}, "ride_id is 9223372036854775808; allowed: a 64-bit integer or"),
        ({"DOLocationID": 0}, "DOLocationID is 0; allowed: a TLC taxi zone: .* from 1 to 265"),
        ({"DOLocationID": "74"}, 'DOLocationID is "74"; allowed: a TLC taxi zone'),
        ({"dropoff_datetime": "2025-03-03"}, "dropoff_datetime is '2025-03-03'; allowed: an ISO"),
        ({"dropoff_datetime": "0001-01-01T00:00+14:00"}, "dropoff_datetime is '0001-01-01T00"),
    ],
)
def test_an_invalid_end_is_explained(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidEvent, match=error):
        load_model({}, lambda: None).decode(ended(**changes), 0.0)


@pytest.mark.parametrize("other", [{"event_type": "ride_started"}, {"DOLocationID": 265}])
def test_other_events_and_zones_without_a_place_are_skipped(other: dict[str, Any]) -> None:
    assert load_model({}, lambda: None).decode(ended(**other), 0.0) is None


def test_the_table_that_ships_is_small_plain_and_complete() -> None:
    assert TABLE.stat().st_size < LARGEST_TABLE
    with np.load(TABLE, allow_pickle=False) as found:
        assert found["minutes_there"].shape == (ZONES, ZONES)
        assert found["minutes_waiting"].shape == (HOURS, ZONES)
        assert np.isfinite(found["minutes_waiting"][:, 1:]).all()
        assert not np.diag(found["minutes_there"]).any()
        assert (found["names"][1:] != "").all()


def test_the_readme_shows_the_figures_of_the_table_that_ships() -> None:
    assert (RECOMMENDER / "figures.md").read_text() in (RECOMMENDER / "README.md").read_text()


def trips(*rows: tuple[float, float, int, int], days: int = 7, first_hour: int = 0) -> Trips:
    """Return trips of (pickup, dropoff, pickup zone, dropoff zone), each of 10 dollars."""
    pickup, dropoff, pickup_zone, dropoff_zone = zip(*sorted(rows), strict=True)
    return Trips(
        month="2025-03",
        first_hour=first_hour,
        days=days,
        pickup=np.array(pickup, dtype=float),
        dropoff=np.array(dropoff, dtype=float),
        pickup_zone=np.array(pickup_zone),
        dropoff_zone=np.array(dropoff_zone),
        fare=np.full(len(rows), 10.0),
    )


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


def queue(hours: int) -> tuple[Rates, np.ndarray[Any, Any]]:
    """Return rates of three zones, of which one has the pickups and another the drop-offs."""
    pickups, dropoffs = np.full((2, hours, ZONES), 0.01)
    pickups[:, [1, 2, 3]] = 12.0, 6.0, 1.0
    dropoffs[:, [2, 3]] = 4.0, 20.0
    there = np.full((ZONES, ZONES), 40.0)
    np.fill_diagonal(there, 0)
    there[np.ix_([1, 2, 3], [1, 2, 3])] = [[0, 5, 9], [5, 0, 6], [9, 6, 0]]
    return Rates(pickups, dropoffs), there


def test_a_wait_is_the_time_in_a_queue_of_those_who_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_times, "HOURS", 4)
    rates, there = queue(4)

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


def drivers(*rows: tuple[float, int]) -> Drivers:
    free, zone = zip(*rows, strict=True)
    return Drivers(np.array(zone), np.array(free, dtype=float), np.zeros(len(rows), dtype=int))


def test_each_pickup_goes_to_whoever_has_waited_longest_and_is_still_there() -> None:
    there = np.zeros((ZONES, ZONES))
    there[1, 2] = 10
    month = trips((5, 9, 2, 1), (11, 21, 2, 1), (12, 16, 1, 1), (62, 70, 2, 1), (90, 99, 2, 1))
    free = drivers((0, 1), (2, 2), (1, 2), (30, 1), (29.5, 1))

    found = replay(free, np.array([2, 2, 2, 2, 2]), there, month)

    # The third driver gets the pickup at 5, the second that at 11. The first arrives at 10 and has
    # 60 minutes from 0: the pickup at 62 is too late. That goes to the last one, and the one at 90
    # to the fourth, whose hour ends then.
    assert found.minutes.tolist() == [60, 9, 4, 60, 32.5]
    assert found.found.tolist() == [0, 1, 1, 1, 1]
    assert found.fare.tolist() == [0, 10, 10, 10, 10]
    assert found.ride.tolist() == [0, 10, 4, 9, 8]
    assert found.driving.tolist() == [10, 0, 0, 10, 10]
    everything = measured(found)
    assert everything.minutes == pytest.approx((60 + 9 + 4 + 60 + 32.5) / 5)
    assert everything.soon == 0.4
    assert everything.found == 0.8
    assert everything.dollars == pytest.approx(60 * 40 / (165.5 + 31))


def drawn_month(seed: int, month: str = "2025-03") -> Trips:
    """Return two weeks in which people leave zone 74 and go to 236, where nobody wants a taxi."""
    draw = np.random.default_rng(seed)
    pickup = np.sort(draw.uniform(0, 14 * 24 * 60, 3_000))
    leaving = draw.random(3_000) < 0.9
    drawn = trips(*((at, at + 8, 74, 236) for at in pickup), days=14)
    zones = np.where(leaving, 74, 75), np.where(draw.random(3_000) < 0.8, 236, 75)
    return replace(drawn, month=month, pickup_zone=zones[0], dropoff_zone=zones[1])


def test_no_pickup_is_given_to_two_drivers_and_none_before_its_driver_is_there() -> None:
    month = drawn_month(3)
    numbered = replace(month, fare=np.arange(1.0, 3_001.0))
    there = travel_minutes([month])
    free = drawn_drivers(month, 1.0, np.random.default_rng(1))

    found = replay(free, np.full(len(free.zone), 74), there, numbered)

    given = found.fare[found.found == 1]
    assert len(given) > 1_000
    assert len(set(given)) == len(given)
    assert (found.minutes >= found.driving).all()
    assert (found.minutes <= 60).all()


def test_drivers_are_the_drop_offs_of_the_month_in_a_zone_with_a_place() -> None:
    day = 24 * 60
    month = trips((5, 9, 1, 2), (7, 99, 1, 0), (day, day + 70, 1, 3), (2 * day - 1, 2 * day, 1, 4))

    found = drawn_drivers(replace(month, days=2, first_hour=24), 1.0, np.random.default_rng(1))

    assert found.zone.tolist() == [2, 3]
    assert found.free.tolist() == [9, day + 70]
    assert found.hour.tolist() == [24, 49]


def test_the_days_of_several_months_stay_apart() -> None:
    there = np.zeros((ZONES, ZONES))
    month = trips((5, 9, 2, 1))
    first, second = (
        replay(drivers(*rows), np.full(len(rows), 2), there, month)
        for rows in ([(0, 1), (24 * 60, 1)], [(30, 1)])
    )

    assert joined([first, second]).day.tolist() == [0, 1, 2]


def test_the_busiest_zone_near_is_within_15_minutes_of_the_drop_off() -> None:
    rates, there = queue(1)  # zone 1 has the most pickups
    there[3, 1] = 15.5
    free = drivers((0, 3), (0, 2))

    assert train_recommender._nearby(free, rates, there).tolist() == [2, 1]


def test_too_few_drop_offs_measure_nothing() -> None:
    few = trips((0, 9, 74, 75), (3, 40, 75, 236), days=1)

    with pytest.raises(TripDataError, match="too few drop-offs to measure with 10% of them"):
        train_recommender.figures({}, [few])


def test_an_interval_is_of_the_difference_between_policies() -> None:
    month = drawn_month(3)
    there = travel_minutes([month])
    free = drawn_drivers(month, 0.2, np.random.default_rng(1))
    stay, busiest = (
        replay(free, target, there, month) for target in (free.zone, np.full(len(free.zone), 74))
    )

    same = differences(stay, stay, np.random.default_rng(1))
    other = differences(busiest, stay, np.random.default_rng(1))

    assert same["minutes"].tolist() == [0, 0]
    low, high = other["minutes"]
    assert low < measured(busiest).minutes - measured(stay).minutes < high < 0


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_times, "ROUNDS", 5)


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


def test_a_run_gives_each_driver_a_feed_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = generated_trips(12, random.Random(1))
    ends = ended_rides(generated, 3, random.Random(1))
    ends[4]["DOLocationID"] = 265

    feeds = run(ends, 50.0, tmp_path, threading.Event())

    assert feeds.in_order, "\n".join(feeds.summary())
    assert (feeds.missing, feeds.skipped, len(feeds.feeds)) == (0, 1, 3)
    printed = capsys.readouterr().out.splitlines()
    assert sum(" min" in line and line.endswith(" s") for line in printed) == 11
    for driver, feed in feeds.feeds.items():
        assert [each["ride_id"] for each in feed] == [
            end["ride_id"]
            for end in ends
            if end["driver_id"] == driver and end["DOLocationID"] < 264
        ]


def test_a_file_that_is_no_month_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path / "none"), "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: no such file: {tmp_path / 'none'}\n"


def recommendation(ride: int, driver: str = "d1") -> dict[str, Any]:
    return {"driver_id": driver, "ride_id": ride, "advice": "stay"}


@pytest.mark.parametrize(
    ("found", "in_order", "missing"),
    [
        ([1, 2], True, 0),
        ([1, 1, 2, 1], True, 0),  # those that came again are dropped
        ([2, 1], False, 0),
        ([1], False, 1),
        ([], False, 2),
    ],
)
def test_the_sums_notice_what_is_missing_or_out_of_order(
    found: list[int],
    in_order: bool,  # noqa: FBT001
    missing: int,
) -> None:
    feeds = Feeds()
    for ride in (1, 2):
        feeds.ended({"ride_id": ride, "driver_id": "d1", "DOLocationID": 74})
    for ride in found:
        feeds.add(recommendation(ride))

    assert (feeds.in_order, feeds.missing) == (in_order, missing)
    assert feeds.repeated == len(found) - len(set(found))
    assert feeds.summary()[-1].startswith("each feed" if in_order else "NOT")


def test_a_feed_holds_its_own_drivers_recommendations_only() -> None:
    feeds = Feeds()
    feeds.ended({"ride_id": 1, "driver_id": "d1", "DOLocationID": 74})
    feeds.add(recommendation(1, driver="d2"))

    assert not feeds.in_order
