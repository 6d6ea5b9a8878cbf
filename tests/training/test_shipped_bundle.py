"""The bundle in `models/`, which the repository ships."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.training.city import rides
from training.bundle_io import read_model
from training.export import run_graph, run_outputs
from training.trips import INPUTS

BUNDLE = Path(__file__).parents[2] / "models"
FILES = [path for path in BUNDLE.rglob("*") if path.is_file()]


def test_the_bundle_is_small_enough_for_a_repository() -> None:
    assert sum(path.stat().st_size for path in FILES) < 6_000_000
    assert (BUNDLE / "statistics.json").stat().st_size < 250_000


def test_the_bundle_names_no_path_or_url_of_the_machine_that_built_it() -> None:
    local = re.compile(r"https?://|file:|/(home|root|tmp|work)/")
    for path in FILES:
        if path.suffix != ".md":
            assert not local.search(path.read_bytes().decode("latin-1")), path


def test_no_month_was_used_for_both_training_and_testing() -> None:
    manifest = json.loads((BUNDLE / "manifest.json").read_text())

    assert not set(manifest["trained_on"]) & {*manifest["validated_on"], *manifest["tested_on"]}


def test_the_models_are_at_least_as_good_as_the_model_card_says() -> None:
    manifest = json.loads((BUNDLE / "manifest.json").read_text())
    duration, tip = (manifest["targets"][name]["metrics"] for name in ("duration", "tip"))

    assert duration["test_rmse"] < 4.55
    assert tip["test_rmse"] < 2.14
    assert abs(duration["test_bias"]) < 0.3
    assert 0.78 < duration["test_inside"] < 0.82
    assert 0.78 < duration["test_noisy_inside"] < 0.82


@pytest.mark.parametrize(
    ("target", "low", "high"), [("duration", 10, 25), ("tip", 1, 5)], ids=["duration", "tip"]
)
def test_an_ordinary_ride_gets_an_ordinary_prediction(target: str, low: int, high: int) -> None:
    graph, _ = read_model(BUNDLE, target)

    (prediction,) = run_graph(graph, rides((130, 205, 3.66, 8.25, 5, 1, 1)))

    assert low < prediction < high


def test_a_ride_to_the_airport_takes_longer_and_tips_more_than_one_around_the_corner() -> None:
    harlem, next_to_it, jfk = 74, 75, 132
    trip = (harlem, next_to_it, 1.0, 15, 2, 1, 1), (harlem, jfk, 18.0, 15, 2, 1, 1)
    for target in ("duration", "tip"):
        graph, _ = read_model(BUNDLE, target)
        short, long = run_graph(graph, rides(*trip))
        assert 2 * short < long


def test_the_range_of_an_ordinary_ride_holds_its_prediction_and_is_some_minutes_wide() -> None:
    graph, _ = read_model(BUNDLE, "duration")

    (prediction,), (low,), (high,) = run_outputs(graph, rides((130, 205, 3.66, 8.25, 5, 1, 1)))

    assert low < prediction < high
    assert 3 < high - low < 15


@pytest.mark.parametrize("target", ["duration", "tip"])
def test_every_pair_of_zones_is_predicted_finite_and_not_negative(target: str) -> None:
    graph, _ = read_model(BUNDLE, target)
    zones = np.arange(1, 266, dtype=np.float32)
    pickup, dropoff = (grid.ravel() for grid in np.meshgrid(zones, zones))
    for miles in (0, 0.01, 3, 1000):
        ride = {name: np.full(len(pickup), np.nan, np.float32) for name in INPUTS}
        ride |= {"PULocationID": pickup, "DOLocationID": dropoff}
        ride |= {name: np.zeros(len(pickup), np.float32) for name in ("hour", "weekday")}
        ride["trip_distance"] = np.full(len(pickup), miles, np.float32)

        prediction = run_graph(graph, ride)

        assert np.isfinite(prediction).all()
        assert np.min(prediction) >= 0
