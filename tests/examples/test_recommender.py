"""The recommender's model, and the table that ships with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.recommender import train_recommender
from examples.recommender.model import EXAMPLES, TABLE, Recommender, load_model
from examples.recommender.waiting_times import HOURS, ZONES, write_table
from scripts.check_model import behaviour
from streaming import InvalidEvent, check_members
from tests.examples.drawn_trips import ended

RECOMMENDER = Path(train_recommender.__file__).parent
LARGEST_TABLE = 300_000
"""Bytes that a repository should hold of it."""


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
