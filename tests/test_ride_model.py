"""What the ride models predict."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from model import RideFeatures, RideModel, load_model
from model_graph import load_graph
from tests.fakes.no_s3 import no_s3
from tests.ride_graphs import built, graph, graph_with_range


def test_predictions_are_in_the_order_of_the_events() -> None:
    rides = [RideFeatures(number, (1, 2, number, 0, 0, 1, 1)) for number in range(5)]
    model = built(duration=graph(times=10), tip=graph(times=0.5))

    predictions = model.predict(rides)

    assert [prediction.value for prediction in predictions] == [
        {"ride_id": n, "ride_duration": n * 10.0, "ride_tip": n * 0.5} for n in range(5)
    ]


def test_a_batch_is_predicted_with_one_call_per_model() -> None:
    batches = []

    def run(inputs: Any) -> Any:
        batches.append(len(inputs["hour"]))
        return [inputs["hour"]]

    RideModel({"duration": run, "tip": run}, "1").predict(
        [RideFeatures(n, (1, 2, n, 0, 0, 1, 1)) for n in range(1000)]
    )

    assert batches == [1000, 1000]


def test_a_prediction_is_never_negative_and_has_two_decimals() -> None:
    model = built(duration=graph(times=-1), tip=graph(times=1 / 3))

    (prediction,) = model.predict([RideFeatures(1, (1, 2, 10, 0, 0, 1, 1))])

    assert prediction.value == {"ride_id": 1, "ride_duration": 0.0, "ride_tip": 3.33}


def outputs(*numbers: float) -> Any:
    """Return a function that returns each number for every ride."""
    return lambda inputs: [np.full(len(inputs["hour"]), number, np.float32) for number in numbers]


RIDE = RideFeatures(1, (1, 2, 10, 0, 0, 1, 1))


def test_a_graph_with_a_range_predicts_its_ends_as_well() -> None:
    model = RideModel({"duration": load_graph("duration", graph_with_range(0.5, 2.0))}, "1")

    (prediction,) = model.predict([RIDE])

    assert prediction.value == {
        "ride_id": 1,
        "ride_duration": 10.0,
        "ride_duration_low": 5.0,
        "ride_duration_high": 20.0,
    }


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((10, 12, 14), (10, 10, 14)),
        ((10, 8, 9), (10, 8, 10)),
        ((10, 12, 8), (10, 10, 10)),
        ((-1, -2, -3), (0, 0, 0)),
        ((1.0049, 1.0051, 1.0), (1.0, 1.0, 1.0)),
    ],
    ids=["low above", "high below", "crossed", "negative", "rounded"],
)
def test_a_range_always_holds_its_prediction(
    numbers: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    (prediction,) = RideModel({"duration": outputs(*numbers)}, "1").predict([RIDE])

    assert tuple(prediction.value.values())[1:] == expected


@pytest.mark.parametrize("numbers", [(1, math.nan, 2), (1, 0, math.inf)])
def test_a_range_that_is_not_finite_is_an_error(numbers: tuple[float, ...]) -> None:
    with pytest.raises(ArithmeticError, match="not finite"):
        RideModel({"duration": outputs(*numbers)}, "1").predict([RIDE])


def test_a_range_of_the_tip_is_not_published() -> None:
    (prediction,) = RideModel({"tip": outputs(2, 1, 3)}, "1").predict([RIDE])

    assert prediction.value == {"ride_id": 1, "ride_tip": 2.0}


@pytest.mark.parametrize("number", [0, 1, 3])
def test_fewer_or_more_predictions_than_rides_are_an_error(number: int) -> None:
    model = RideModel({"duration": lambda _inputs: [np.ones(number, np.float32)]}, "1")

    with pytest.raises(ValueError, match="zip"):
        model.predict([RideFeatures(n, (1, 2, n, 0, 0, 1, 1)) for n in range(2)])


def test_a_ride_with_too_few_features_is_an_error() -> None:
    model = RideModel({"duration": outputs(1)}, "1")

    with pytest.raises(ValueError, match="zip"):
        model.predict([RideFeatures(1, (1, 2, 10, 0, 0, 1))])  # type: ignore[arg-type]


def test_a_prediction_that_is_not_finite_is_an_error() -> None:
    model = built(duration=graph("passenger_count"))

    with pytest.raises(ArithmeticError, match="not finite"):
        model.predict([RideFeatures(1, (1, 2, 10, 0, 0, math.nan, 1))])


@pytest.mark.parametrize(
    ("targets", "name", "fields"),
    [
        (["duration"], "ride_duration_prediction_model", {"ride_id", "ride_duration"}),
        (["tip"], "ride_tip_prediction_model", {"ride_id", "ride_tip"}),
        (
            ["duration", "tip"],
            "ride_duration_tip_prediction_model",
            {"ride_id", "ride_duration", "ride_tip"},
        ),
    ],
)
def test_a_model_is_named_after_its_targets(
    targets: list[str], name: str, fields: set[str]
) -> None:
    model = built(**dict.fromkeys(targets, graph()))

    (prediction,) = model.predict([RideFeatures(1, (1, 2, 10, 0, 0, 1, 1))])

    assert model.name == name
    assert set(prediction.value) == fields


def test_the_shipped_models_predict_plausible_values_for_every_valid_ride() -> None:
    model = load_model({}, no_s3)
    draw = np.random.default_rng(7)
    zones = draw.integers(1, 266, (2, 2000))
    rides = [
        RideFeatures(n, (int(zones[0, n]), int(zones[1, n]), *rest))
        for n, rest in enumerate(
            (miles, hour, weekday, people, payment)
            for miles in (0, 0.5, 12, 1000)
            for hour in (0, 8.25, 23.99)
            for weekday in (0, 6)
            for people in (math.nan, 0, 9)
            for payment in (math.nan, 0, 6)
        )
    ]

    for prediction in model.predict(rides):
        minutes = prediction.value["ride_duration"]
        low, high = (prediction.value[f"ride_duration_{end}"] for end in ("low", "high"))
        assert 0 <= low <= minutes <= high < 24 * 60
        assert 0 <= prediction.value["ride_tip"] < 500


def test_the_rides_have_their_own_names() -> None:
    assert (RideModel.output_stream, RideModel.metrics_namespace) == (
        "ride_predictions",
        "RidePredictions",
    )


def test_the_hour_of_a_local_pickup_counts_its_minutes_and_seconds() -> None:
    model = RideModel({}, "1")
    event = (
        b'{"ride_id": 1, "ride": {"PULocationID": 1, "DOLocationID": 2, "trip_distance": 3,'
        b' "pickup_datetime": "2025-03-01T08:15:36"}}'
    )

    ride = model.decode(event, 0.0)

    assert ride
    assert ride.values[3] == pytest.approx(8.26, abs=1e-9)
