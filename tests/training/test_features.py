from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.training.city import rides
from training.features import FEATURES, build_tables, look_up
from training.zones import load_zones

if TYPE_CHECKING:
    from training.features import Tables

HARLEM, ASTORIA, JFK = 74, 7, 132


def tables_of(*trips: tuple[float, float, float, float], hour: float = 12.0) -> Tables:
    """Build tables from trips of pick-up zone, drop-off zone, miles and target."""
    known = rides(*((*trip[:3], hour, 0, 1, 1) for trip in trips))
    target = np.array([trip[3] for trip in trips], np.float32)
    return build_tables(known, target, np.ones_like(target), load_zones())


def feature(name: str, tables: Tables, ride: tuple[float, ...]) -> float:
    features, _ = look_up(tables, rides(ride))
    return float(features[0, FEATURES.index(name)])


EVEN = tuple((HARLEM, ASTORIA, miles, 4 * miles + 5) for miles in (1.0, 2.0, 4.0, 8.0))


def test_the_guess_depends_on_distance_as_the_trips_do() -> None:
    _, guess = look_up(tables_of(*EVEN), rides((HARLEM, ASTORIA, 3.0, 12, 0, 1, 1)))

    assert guess == pytest.approx([17], abs=0.01)


def test_a_slower_pair_of_zones_gets_a_longer_guess() -> None:
    slow = tuple((HARLEM, JFK, miles, target + 6) for _, _, miles, target in EVEN)
    _, guess = look_up(
        tables_of(*EVEN * 50, *slow * 50),
        rides((HARLEM, ASTORIA, 3, 12, 0, 1, 1), (HARLEM, JFK, 3, 12, 0, 1, 1)),
    )

    assert guess == pytest.approx([17, 23], abs=0.3)


def test_a_slower_hour_gets_a_guess_that_is_longer_by_a_factor() -> None:
    known = rides(
        *(
            (HARLEM, ASTORIA, miles, hour, 2, 1, 1)
            for hour in (8, 20)
            for miles in [1, 2, 4, 8] * 50
        )
    )
    factor = np.where(known["hour"] == 8, np.float32(1.5), np.float32(1.0))
    target = (4 * known["trip_distance"] + 5) * factor
    tables = build_tables(known, target, np.ones_like(target), load_zones())

    _, guess = look_up(
        tables, rides((HARLEM, ASTORIA, 3, 8.5, 2, 1, 1), (HARLEM, ASTORIA, 3, 20.5, 2, 1, 1))
    )

    assert guess[0] / guess[1] == pytest.approx(1.5, abs=0.15)


def test_an_average_of_few_trips_is_shrunk_towards_the_prior() -> None:
    odd = (HARLEM, JFK, 4.0, 21.0 + 30)
    ride = (HARLEM, JFK, 4.0, 12, 0, 1, 1)

    once = feature("pair_effect", tables_of(*EVEN * 100, odd), ride)
    often = feature("pair_effect", tables_of(*EVEN * 100, *[odd] * 200), ride)

    assert 0 < once < 10
    assert once < often


def test_a_trip_of_weight_two_counts_as_two_trips() -> None:
    odd = (HARLEM, JFK, 4.0, 51.0)
    trips = (*EVEN * 10, *[odd] * 3)
    known = rides(*((*trip[:3], 12, 0, 1, 1) for trip in trips))
    target = np.array([trip[3] for trip in trips], np.float32)
    weight = np.array([1] * (len(trips) - 3) + [2] * 3, np.float32)

    weighted = build_tables(known, target, weight, load_zones())
    repeated = tables_of(*trips, *[odd] * 3)

    for name in ("curve", "hours", "pickups", "dropoffs", "pairs"):
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=1e-3, atol=1e-3
        )


def test_an_unseen_pair_has_the_effects_of_its_zones_and_a_distance_from_the_map() -> None:
    tables = tables_of(*EVEN)
    ride = (ASTORIA, JFK, 0, 12, 0, 1, 1)
    straight = load_zones().straight_line()[ASTORIA, JFK]

    assert feature("pair_trips", tables, ride) == 0
    assert feature("typical_distance", tables, ride) == pytest.approx(1.35 * straight)
    assert feature("pair_effect", tables, ride) == pytest.approx(
        feature("pickup_effect", tables, ride) + feature("dropoff_effect", tables, ride)
    )


def test_an_unknown_distance_becomes_the_typical_one_and_is_marked() -> None:
    tables = tables_of(*[(HARLEM, ASTORIA, 3.0, 17.0)] * 1_000, *EVEN)
    ride = (HARLEM, ASTORIA, 0, 12, 0, 1, 1)

    assert feature("distance", tables, ride) == pytest.approx(3, abs=0.05)
    assert feature("distance_ratio", tables, ride) == 0


def test_a_distance_beyond_the_training_range_is_clipped() -> None:
    tables = tables_of(*EVEN)

    assert feature("distance", tables, (HARLEM, ASTORIA, 1000, 12, 0, 1, 1)) == 60


def test_an_unknown_count_or_code_is_not_nan() -> None:
    tables = tables_of(*EVEN)
    ride = (HARLEM, ASTORIA, 3, 12, 0, math.nan, math.nan)

    assert feature("passenger_count", tables, ride) == -1
    assert feature("payment_type", tables, ride) == -1


def test_the_last_moment_of_the_week_belongs_to_its_last_hour() -> None:
    tables = tables_of(*EVEN, hour=23.5)
    sunday = 6

    last = feature("hour_factor", tables, (HARLEM, ASTORIA, 3, 23.99, sunday, 1, 1))
    rounded_up = feature("hour_factor", tables, (HARLEM, ASTORIA, 3, 24.0, sunday, 1, 1))

    assert last == rounded_up
