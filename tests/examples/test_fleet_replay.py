"""The replay that measures a policy: who gets which pickup of a month, and what it gains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from examples.recommender.fleet_replay import differences, drawn_drivers, joined, measured, replay
from examples.recommender.waiting_times import ZONES, travel_minutes
from tests.examples.drawn_trips import drawn_month, drivers, trips


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
