from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from tests.training.city import QUIET, SMALL_DURATION, city_trips
from training.errors import ParityError
from training.export import check_parity
from training.fit import FittedModel, fit
from training.graph import to_onnx
from training.trips import Array, inputs


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[FittedModel, dict[str, Array]]:
    trips = city_trips(tmp_path_factory.mktemp("trips"))
    return fit(SMALL_DURATION, trips, QUIET), inputs(trips)


def with_table(graph: ModelProto, name: str, change: float, share: float = 1.0) -> ModelProto:
    """Return a copy of a graph with a change in a share of a table's rows."""
    changed = ModelProto()
    changed.CopyFrom(graph)
    (table,) = (i for i in changed.graph.initializer if i.name == name)
    values = numpy_helper.to_array(table).copy()
    values[: max(1, int(share * len(values)))] += np.float32(change)
    table.CopyFrom(numpy_helper.from_array(values, name))
    return changed


def test_a_faithful_graph_passes(fitted: tuple[FittedModel, dict[str, Array]]) -> None:
    model, rides = fitted

    assert check_parity(to_onnx(model), model, rides) < 1e-3


def test_a_graph_that_is_a_little_off_everywhere_fails(
    fitted: tuple[FittedModel, dict[str, Array]],
) -> None:
    model, rides = fitted
    off = with_table(to_onnx(model), "hours", 0.01)

    with pytest.raises(ParityError, match=r"duration graph differs from its model: of 2,000 rides"):
        check_parity(off, model, rides)


def test_a_graph_that_is_far_off_for_one_ride_fails(
    fitted: tuple[FittedModel, dict[str, Array]],
) -> None:
    model, rides = fitted
    few = {name: values[:1] for name, values in rides.items()}
    monday_midnight = {**few, "hour": few["hour"] * 0, "weekday": few["weekday"] * 0}
    mixed = {name: np.append(values, monday_midnight[name]) for name, values in rides.items()}
    off = with_table(to_onnx(model), "hours", 5, share=0)

    with pytest.raises(ParityError, match=r"the worst by \d+\.\d+ \(allowed: 3\.0\)"):
        check_parity(off, model, mixed)


def test_a_graph_whose_range_alone_is_off_fails(
    fitted: tuple[FittedModel, dict[str, Array]],
) -> None:
    model, rides = fitted
    low, high = model.range_trees
    swapped = to_onnx(replace(model, range_trees=(high, low)))

    with pytest.raises(ParityError, match="the duration graph differs from its model"):
        check_parity(swapped, model, rides)


def test_a_graph_that_predicts_nan_fails(fitted: tuple[FittedModel, dict[str, Array]]) -> None:
    model, rides = fitted

    with pytest.raises(ParityError):
        check_parity(with_table(to_onnx(model), "hours", float("nan")), model, rides)
