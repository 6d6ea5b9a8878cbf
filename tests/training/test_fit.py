from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from tests.training.city import QUIET, SMALL, SMALL_DURATION, SMALL_TIP, city_trips, rides
from training.errors import TripDataError
from training.fit import fit, inputs_and_target, with_noise
from training.trips import INPUTS, inputs

if TYPE_CHECKING:
    from pathlib import Path


def test_a_model_predicts_a_later_month_better_than_its_mean(tmp_path: Path) -> None:
    model = fit(SMALL_DURATION, city_trips(tmp_path, "2023-01"), QUIET)
    later, truth = inputs_and_target(SMALL_DURATION, city_trips(tmp_path, "2023-02"))

    error = np.abs(model.predict(later) - truth).mean()

    assert error < 0.25 * np.abs(truth - truth.mean()).mean()


def test_a_model_knows_rush_hours(tmp_path: Path) -> None:
    model = fit(SMALL_DURATION, city_trips(tmp_path), QUIET)
    harlem, astoria = 74, 7

    rush, quiet = model.predict(
        rides((harlem, astoria, 3, 17.5, 2, 1, 1), (harlem, astoria, 3, 12.5, 2, 1, 1))
    )

    assert rush > 1.2 * quiet


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    trips = city_trips(tmp_path)

    first, again = (fit(SMALL_DURATION, trips, QUIET).predict(inputs(trips)) for _ in range(2))

    np.testing.assert_array_equal(first, again)


def test_the_tip_model_is_trained_on_card_payers_only(tmp_path: Path) -> None:
    trips = city_trips(tmp_path)
    cash = trips["payment_type"] == 2
    without_cash, with_tips_in_cash = trips[~cash], trips.assign(tip=trips["tip"].mask(cash, 40.0))

    first, second = (
        fit(SMALL_TIP, chosen, QUIET).predict(inputs(trips))
        for chosen in (without_cash, with_tips_in_cash)
    )

    np.testing.assert_array_equal(first, second)


def test_the_target_of_a_rare_pair_s_trip_does_not_leak_into_its_features() -> None:
    # Each pair of zones occurs once and its duration is random: there is nothing to learn. A model
    # whose lookups included the trip itself would take the pair's mean for the truth.
    rng = np.random.default_rng(0)
    pairs = rng.permutation(200 * 200)[:4_000]
    trips = pd.DataFrame(dict.fromkeys(INPUTS, np.ones(len(pairs))), dtype="float32").assign(
        PULocationID=np.float32(1 + pairs // 200),
        DOLocationID=np.float32(1 + pairs % 200),
        trip_distance=np.float32(3),
        duration=rng.normal(20, 5, len(pairs)).astype("float32"),
        pickup=pd.Timestamp("2023-01-01"),
    )
    model = fit(SMALL_DURATION, trips, QUIET)

    learned = model.predict(inputs(trips)) - 20

    assert learned.std() < 2.2


def test_a_model_trained_on_estimates_trusts_the_distance_less(tmp_path: Path) -> None:
    trips = city_trips(tmp_path)
    exact, mixed = (
        replace(
            SMALL_DURATION,
            parameters=replace(SMALL, trees=40, estimated=estimated, unknown=0),
            range=None,
        )
        for estimated in (0, 1)
    )
    later, truth = inputs_and_target(SMALL_DURATION, city_trips(tmp_path, "2023-02"))
    noisy = with_noise(later)

    errors = [np.abs(fit(t, trips, QUIET).predict(noisy) - truth).mean() for t in (exact, mixed)]

    assert errors[1] < errors[0]


def slowed(trips: pd.DataFrame, factor: float) -> pd.DataFrame:
    return trips.assign(duration=trips["duration"] * np.float32(factor))


def test_newer_trips_count_more_than_older_ones(tmp_path: Path) -> None:
    old, new = city_trips(tmp_path, "2021-01"), city_trips(tmp_path, "2023-01")
    trips = pd.concat([old, slowed(new, 1.5)], ignore_index=True)
    later, truth = inputs_and_target(SMALL_DURATION, slowed(city_trips(tmp_path, "2023-02"), 1.5))

    bias = [
        float(np.mean(fit(chosen, trips, QUIET).predict(later) - truth))
        for half_life in (1_000, 2)
        for chosen in [replace(SMALL_DURATION, parameters=replace(SMALL, half_life=half_life))]
    ]

    assert bias[0] < -2  # both years count the same: half of the slow-down
    assert abs(bias[1]) < 0.5


def test_a_clock_that_is_years_ahead_makes_no_other_trip_old(tmp_path: Path) -> None:
    trips = city_trips(tmp_path)
    ahead = trips.assign(pickup=trips["pickup"].mask(trips.index == 5, pd.Timestamp("2041-01-01")))
    later, truth = inputs_and_target(SMALL_DURATION, city_trips(tmp_path, "2023-02"))

    errors = [
        np.abs(fit(SMALL_DURATION, chosen, QUIET).predict(later) - truth).mean()
        for chosen in (trips, ahead)
    ]

    assert errors[1] < 1.2 * errors[0]


def test_most_later_trips_are_in_the_range_and_every_prediction_is(tmp_path: Path) -> None:
    model = fit(SMALL_DURATION, city_trips(tmp_path), QUIET)
    later, truth = inputs_and_target(SMALL_DURATION, city_trips(tmp_path, "2023-02"))

    prediction, low, high = model.outputs(later)

    assert 0.6 < np.mean((low <= truth) & (truth <= high)) < 0.95
    assert (low <= prediction).all()
    assert (prediction <= high).all()
    np.testing.assert_array_equal(prediction, model.predict(later))


def test_a_target_without_a_range_has_one_output(tmp_path: Path) -> None:
    trips = city_trips(tmp_path)

    assert len(fit(SMALL_TIP, trips, QUIET).outputs(inputs(trips))) == 1


def test_noise_is_fifteen_per_cent_and_never_makes_a_distance_unknown(tmp_path: Path) -> None:
    exact = inputs(city_trips(tmp_path))

    noisy = with_noise(exact)
    ratio = noisy["trip_distance"] / exact["trip_distance"]

    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert ratio.std() == pytest.approx(0.15, abs=0.01)
    assert np.min(noisy["trip_distance"]) > 0
    assert noisy["hour"] is exact["hour"]


def test_trips_without_a_known_tip_are_an_error_with_their_number(tmp_path: Path) -> None:
    trips = city_trips(tmp_path)
    cash = trips[trips["payment_type"] == 2]

    with pytest.raises(TripDataError, match=f"the tip is not known for any of {len(cash)} trips"):
        fit(SMALL_TIP, cash, QUIET)
