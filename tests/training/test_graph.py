from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.training.city import QUIET, SMALL_DURATION, SMALL_TIP, city_trips, rides
from training.export import run_graph, run_outputs
from training.fit import FittedModel, fit, with_noise
from training.graph import to_onnx
from training.trips import INPUTS, inputs

if TYPE_CHECKING:
    import onnx

HARLEM, ASTORIA, OUTSIDE = 74, 7, 265


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FittedModel:
    trips = city_trips(tmp_path_factory.mktemp("trips"))
    return replace(fit(SMALL_DURATION, trips, QUIET), level=1.03)


@pytest.fixture(scope="module")
def graph(model: FittedModel) -> onnx.ModelProto:
    return to_onnx(model)


def test_the_graph_takes_seven_named_vectors_and_returns_three(graph: onnx.ModelProto) -> None:
    shapes = {
        value.name: [dim.dim_param for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    }

    assert shapes == {name: ["N"] for name in (*INPUTS, "prediction", "low", "high")}


def test_a_target_without_a_range_has_a_graph_with_one_output(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    trips = city_trips(tmp_path_factory.mktemp("trips"))

    tip = to_onnx(fit(SMALL_TIP, trips, QUIET))

    assert [output.name for output in tip.graph.output] == ["prediction"]


def test_the_graph_predicts_what_its_model_predicts(
    graph: onnx.ModelProto, model: FittedModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trips = inputs(city_trips(tmp_path_factory.mktemp("later"), "2023-02"))

    for seen in (trips, with_noise(trips), {**trips, "trip_distance": 0 * trips["trip_distance"]}):
        np.testing.assert_allclose(run_outputs(graph, seen), model.outputs(seen), atol=1e-4)


ODD = {
    "an unseen pair": (OUTSIDE, 1, 17.3, 8, 0, 1, 1),
    "nothing known but zones and time": (HARLEM, ASTORIA, 0, 8, 0, math.nan, math.nan),
    "no distance of an unseen pair": (1, OUTSIDE, 0, 8, 0, math.nan, math.nan),
    "the longest distance": (HARLEM, ASTORIA, 1000, 8, 0, 1, 1),
    "the shortest distance": (HARLEM, ASTORIA, 1e-6, 8, 0, 1, 1),
    "midnight on Monday": (HARLEM, ASTORIA, 3, 0, 0, 1, 1),
    "the last moment of the week": (HARLEM, ASTORIA, 3, 24 - 1e-9, 6, 1, 1),
    "a full cab, a disputed payment": (HARLEM, ASTORIA, 3, 8, 0, 9, 6),
}


@pytest.mark.parametrize("ride", ODD.values(), ids=ODD.keys())
def test_an_odd_ride_is_predicted_as_in_python_finite_and_not_negative(
    graph: onnx.ModelProto, model: FittedModel, ride: tuple[float, ...]
) -> None:
    prediction = run_graph(graph, rides(ride))

    np.testing.assert_allclose(prediction, model.predict(rides(ride)), atol=1e-4)
    assert np.isfinite(prediction).all()
    assert np.min(prediction) >= 0


def test_every_pair_of_zones_can_be_predicted(graph: onnx.ModelProto) -> None:
    zones = np.arange(1, 266, dtype=np.float32)
    pickup, dropoff = (grid.ravel() for grid in np.meshgrid(zones, zones))
    filled = {name: np.zeros(len(pickup), np.float32) for name in INPUTS}

    prediction, low, high = run_outputs(
        graph, {**filled, "PULocationID": pickup, "DOLocationID": dropoff}
    )

    assert prediction.dtype == low.dtype == high.dtype == np.float32
    assert np.isfinite([low, prediction, high]).all()
    assert (low >= 0).all()
    assert (low <= prediction).all()
    assert (prediction <= high).all()


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_any_number_of_rides_can_be_predicted(graph: onnx.ModelProto, count: int) -> None:
    ride = {name: np.ones(count, np.float32) for name in INPUTS}

    assert run_graph(graph, ride).shape == (count,)


def test_a_ride_s_prediction_does_not_depend_on_its_batch(graph: onnx.ModelProto) -> None:
    batch = rides(*ODD.values())
    together = run_graph(graph, batch)

    alone = [run_graph(graph, rides(ride))[0] for ride in ODD.values()]

    np.testing.assert_array_equal(together, alone)
