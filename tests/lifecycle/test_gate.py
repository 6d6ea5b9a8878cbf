from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pandas as pd
import pytest

from lifecycle.errors import ComparisonError
from lifecycle.gate import (
    MIN_DAYS,
    SLICE_RIDES,
    Comparison,
    Difference,
    compare,
    difference,
    parse_graph,
    require_held_out,
)
from lifecycle.graph_cost import BATCH, GraphCost, measure_graph
from lifecycle.recalibration import RECALIBRATION
from lifecycle.registry import RegisteredModel
from lifecycle.slices import slices
from tests.lifecycle.conftest import copy_registry
from tests.training.city import QUIET, rides, write_month
from training.export import run_graph
from training.fit import DURATION, inputs_and_target
from training.trips import read_trips

if TYPE_CHECKING:
    from pathlib import Path

DAYS = np.repeat(np.arange(28), 100)
COST = GraphCost(1.0, 10.0)


def squared_errors(
    scale: float = 1.0, seed: int = 0
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return (scale * np.random.default_rng(seed).standard_normal(len(DAYS))) ** 2


def comparison(overall: Difference, *by_slice: Difference) -> Comparison:
    return Comparison(DURATION, "1", "2", ("2024-01",), overall, by_slice, COST, COST)


BETTER = Difference("all rides", 10_000, 4.0, 3.9, -0.9, -0.7)


def test_smaller_errors_on_every_day_are_better() -> None:
    champion = squared_errors()

    found = difference("all rides", champion, 0.9 * champion, DAYS)

    assert found.is_better
    assert found.candidate == pytest.approx(found.champion * np.sqrt(0.9))
    assert found.low < np.mean(-0.1 * champion) < found.high < 0


def test_the_same_model_is_not_better_than_itself() -> None:
    found = difference("all rides", squared_errors(), squared_errors(), DAYS)

    assert (found.low, found.high) == (0, 0)
    assert not found.is_better


def test_one_good_day_is_noise() -> None:
    """By rides, the same difference would be far from 0: a hundred rides gain."""
    champion = squared_errors(seed=1)
    candidate = champion - 4.0 * (DAYS == 3) + 0.05 * (DAYS % 2)

    found = difference("all rides", champion, candidate, DAYS)

    assert (candidate - champion).mean() < 0
    assert not found.is_better


def test_the_interval_is_that_of_independent_days() -> None:
    per_day = np.random.default_rng(2).standard_normal(28)
    champion = np.full(len(DAYS), 100.0)

    found = difference("all rides", champion, champion + per_day[DAYS], DAYS)

    half = 1.96 * per_day.std() / np.sqrt(28)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_the_interval_is_reproducible() -> None:
    first, second = (
        difference("x", squared_errors(seed=1), squared_errors(seed=2), DAYS) for _ in range(2)
    )
    assert first == second


def test_days_without_rides_of_a_slice_are_left_out() -> None:
    champion = squared_errors()
    some = DAYS % 3 == 1

    found = difference("x", champion[some], 0.5 * champion[some], DAYS[some])

    assert np.isfinite([found.low, found.high]).all()


def test_a_slice_that_is_too_bad_is_an_objection_that_names_it() -> None:
    bad = Difference("Queens", SLICE_RIDES, 4.0, 4.24, -1.0, 1.0)

    (objection,) = comparison(BETTER, bad).objections

    assert objection == (
        "worse than 5% in Queens: RMSE 4.240 instead of 4.000 minutes on 500 rides"
    )


@pytest.mark.parametrize(
    "part",
    [
        Difference("Queens", SLICE_RIDES, 4.0, 4.19, 0.5, 1.0),
        Difference("Queens", SLICE_RIDES - 1, 4.0, 8.0, 0.5, 1.0),
    ],
    ids=["within the bound", "too few rides"],
)
def test_other_slices_are_no_objection(part: Difference) -> None:
    assert comparison(BETTER, part).objections == []


def test_noise_is_an_objection_with_its_interval() -> None:
    overall = replace(BETTER, high=0.01)

    (objection,) = comparison(overall).objections

    assert "-0.900 to +0.010, is not below 0" in objection


def test_every_ride_is_in_one_slice_of_each_kind() -> None:
    edges = rides(
        (74, 1, 0.0, 0.0, 0, 1, 1),
        (264, 1, 1.0, 6.0, 0, 1, 2),
        (265, 1, 2.0, 23.99, 0, 1, 0),
        (1, 1, 60.0, 20.0, 0, 1, np.nan),
        (132, 1, 9.99, 9.99, 0, 1, 5),
    )
    found = {name: list(np.flatnonzero(mask)) for name, mask in slices(edges)}

    assert found == {
        "EWR": [3],
        "Manhattan": [0],
        "Queens": [4],
        "other borough": [1, 2],
        "0-6 h": [0],
        "6-10 h": [1, 4],
        "20-24 h": [2, 3],
        "0-1 mi": [0],
        "1-2 mi": [1],
        "2-5 mi": [2],
        "5-10 mi": [4],
        "from 10 mi": [3],
        "card": [0],
        "cash": [1],
        "other payment": [2, 3, 4],
    }


CONSTANT = """
<ir_version: 10, opset_import: ["" : 21]>
ride (
    float[N] PULocationID, float[N] DOLocationID, float[N] trip_distance, float[N] hour,
    float[N] weekday, float[N] passenger_count, float[N] payment_type
) => (float[N] prediction) { prediction = Add (trip_distance, trip_distance) }
"""


def registered_model(graph: bytes) -> RegisteredModel:
    return RegisteredModel("1", "run", {"model.onnx": graph}, {}, b"")


def test_a_graph_is_measured_in_a_process_of_its_own() -> None:
    graph = onnx.parser.parse_model(CONSTANT).SerializeToString()

    cost = measure_graph(graph, rides((74, 1, 1, 1, 1, 1, 1)))

    assert 0 < cost.us_per_ride < 1e6 / BATCH
    assert cost.mb is None or 0 < cost.mb < 200


def test_a_graph_that_cannot_be_loaded_is_an_error_of_one_line(months: dict[str, Path]) -> None:
    trips = read_trips([months["2023-03"]], QUIET)
    broken = registered_model(b"no graph")

    with pytest.raises(ComparisonError, match="ride-duration version 1 has no readable graph"):
        compare(DURATION, broken, broken, trips, [months["2023-03"]])
    with pytest.raises(ComparisonError, match=r"^a graph cannot be measured: .*INVALID_PROTOBUF"):
        measure_graph(b"no graph", rides((74, 1, 1, 1, 1, 1, 1)))


def test_a_week_is_too_short_to_decide_on(months: dict[str, Path]) -> None:
    trips = read_trips([months["2023-03"]], QUIET)
    week = trips[trips["pickup"].dt.day < MIN_DAYS]
    broken = registered_model(b"")

    with pytest.raises(ComparisonError, match="held-out trips on 13 days"):
        compare(DURATION, broken, broken, week.reset_index(drop=True), [])


def test_months_that_a_model_was_validated_on_are_not_held_out(tmp_path: Path) -> None:
    months = {month: write_month(tmp_path, month) for month in ("2023-01", "2023-02", "2023-03")}
    record = {"trained_on": ["2023-01"], "validated_on": ["2023-02"], "data": {}}
    model = RegisteredModel("1", "run", {}, record, b"")

    require_held_out([months["2023-03"]], {"ride-tip 1": model})
    for month in ("2023-01", "2023-02"):
        with pytest.raises(ComparisonError, match=f"ride-tip 1 has seen {month} in its training;"):
            require_held_out([months["2023-03"], months[month]], {"ride-tip 1": model})


def test_of_a_month_that_was_learnt_from_in_part_only_later_rides_are_held_out(
    tmp_path: Path,
) -> None:
    path = write_month(tmp_path, "2023-03")  # its first ride is on the first day

    def model(until: str) -> dict[str, RegisteredModel]:
        record = {"trained_on": ["2023-03"], "validated_on": [], "data": {}, "until": until}
        return {"ride-tip 1": RegisteredModel("1", "run", {}, record, b"")}

    require_held_out([path], model("2023-03-01"))
    for until in ("2023-03-02", ""):
        with pytest.raises(ComparisonError, match="has seen 2023-03"):
            require_held_out([path], model(until))


def test_a_recalibrated_model_is_compared_with_the_factor_of_each_day(
    months: dict[str, Path], registered: Path, tmp_path: Path
) -> None:
    champion = copy_registry(registered, tmp_path / "mlflow.db").model("duration", "2")
    trips = read_trips([months["2023-03"]], QUIET)
    last = trips["pickup"].max().date().isoformat()
    factors = {RECALIBRATION: {"factor": 2.0, "factors": {last: 1.0}}}

    found = compare(
        DURATION, champion, replace(champion, record=factors), trips, [months["2023-03"]]
    )

    halved = trips["pickup"] >= pd.Timestamp(last)
    rides, truth = inputs_and_target(DURATION, trips)
    predicted = run_graph(parse_graph(champion, DURATION), rides) * np.where(halved, 0.5, 1)
    assert 0 < halved.sum() < len(trips)
    assert found.overall.candidate == pytest.approx(np.sqrt(np.mean((predicted - truth) ** 2)))
    assert found.overall.candidate > found.overall.champion
