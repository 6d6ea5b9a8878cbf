from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.training.city import QUIET, write_month
from training.baselines import BASELINES
from training.download import TripData
from training.errors import TripDataError
from training.evaluation import as_range_table, as_table, evaluate_bundle, training_files
from training.trips import read_trips

SHIPPED = Path(__file__).parents[2] / "models"


def test_the_bundle_and_each_baseline_are_evaluated_on_each_target(tmp_path: Path) -> None:
    train, test = write_month(tmp_path, "2023-01"), write_month(tmp_path, "2023-02")

    duration, tip = evaluate_bundle(SHIPPED, [test], [train], QUIET)

    assert (duration.target.name, tip.target.name) == ("duration", "tip")
    assert duration.trips > tip.trips
    for evaluation in (duration, tip):
        names = [score.model for score in evaluation.scores]
        assert names == ["this bundle", *(baseline.name for baseline in BASELINES)]
        for score in evaluation.scores:
            assert 0 < score.exact.mae <= score.exact.rmse
    for baseline in duration.scores[1:]:
        assert baseline.exact.r2 > 0.5
        assert baseline.noisy.rmse > baseline.exact.rmse
        assert baseline.training_trips == pytest.approx(2_000, abs=100)


def test_the_table_fits_a_terminal_and_shows_every_metric(tmp_path: Path) -> None:
    path = write_month(tmp_path)
    evaluation, _ = evaluate_bundle(SHIPPED, [path], [path], QUIET)
    written = StringIO()
    console = Console(width=80, file=written)

    console.print(as_table(evaluation))
    text = written.getvalue()

    assert f"duration of {evaluation.trips:,} trips (minutes)" in text
    for score in evaluation.scores:
        assert score.model in text
        assert f"{score.training_trips:,}" in text
        assert f"{score.exact.rmse:.2f}" in text
        assert f"{score.exact.bias:.2f}" in text
        assert f"{score.noisy.mae:.2f}" in text
        assert f"{score.noisy.r2:.2f}" in text


def test_the_range_is_shown_for_all_trips_each_borough_and_each_hour(tmp_path: Path) -> None:
    path = write_month(tmp_path)
    duration, tip = evaluate_bundle(SHIPPED, [path], [], QUIET)
    by_slice = {score.trips_of: score for score in duration.ranges}
    written = StringIO()

    Console(width=80, file=written).print(as_range_table(duration))

    assert by_slice["all"].trips == duration.trips
    noisy = by_slice["all, 15 % noise on the distance"]
    assert noisy.trips == duration.trips
    assert noisy.coverage != by_slice["all"].coverage
    assert {"Manhattan", "Queens"} <= by_slice.keys()
    assert all(score.trips >= 100 for score in duration.ranges)
    for name in ("Queens", "all"):
        coverage = by_slice[name].coverage
        assert coverage.inside + coverage.below + coverage.above == pytest.approx(1)
        assert f"{coverage.inside:.1%}" in written.getvalue()
    assert tip.ranges == ()


def test_a_slice_holds_the_trips_that_it_names(tmp_path: Path) -> None:
    path = write_month(tmp_path)
    trips = read_trips([path], QUIET)
    evaluation, _ = evaluate_bundle(SHIPPED, [path], [], QUIET)
    by_slice = {score.trips_of: score.trips for score in evaluation.ranges}
    in_manhattan = trips["PULocationID"].isin((41, 42, 74, 75, 166, 244))

    assert by_slice["Manhattan"] == in_manhattan.sum()
    hours = np.floor(trips["hour"]).value_counts()
    assert {name: n for name, n in by_slice.items() if name.endswith(" h")} == {
        f"{int(hour):02d} h": n for hour, n in hours.items() if n >= 100
    }


def test_trips_without_a_known_tip_are_an_error_that_names_the_target(tmp_path: Path) -> None:
    path = write_month(tmp_path, payment_type=2.0)

    with pytest.raises(TripDataError, match="the tip is not known for any of"):
        evaluate_bundle(SHIPPED, [path], [path], QUIET)


def test_the_baselines_months_are_found_next_to_the_data_and_then_in_the_cache(
    tmp_path: Path,
) -> None:
    folder, cache = tmp_path / "folder", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    test, january = write_month(folder, "2023-03"), write_month(folder, "2023-01")
    february = write_month(cache, "2023-02")
    source = TripData(cache, "http://127.0.0.1:9")

    found = training_files(["2023-01", "2023-02"], [test], source, QUIET)

    assert found == [january, february]
