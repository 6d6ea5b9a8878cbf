from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.training.city import QUIET, write_month
from training.baselines import BASELINES
from training.download import TripData
from training.errors import TripDataError
from training.evaluation import as_table, evaluate, training_files

SHIPPED = Path(__file__).parents[2] / "models"


def test_each_target_is_measured_for_the_bundle_and_each_baseline(tmp_path: Path) -> None:
    train, test = write_month(tmp_path, "2023-01"), write_month(tmp_path, "2023-02")

    duration, tip = evaluate(SHIPPED, [test], [train], QUIET)

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
        assert baseline.learnt_from == pytest.approx(2_000, abs=100)


def test_the_table_fits_a_terminal_and_shows_every_figure(tmp_path: Path) -> None:
    path = write_month(tmp_path)
    evaluation, _ = evaluate(SHIPPED, [path], [path], QUIET)
    written = StringIO()
    console = Console(width=80, file=written)

    console.print(as_table(evaluation))
    text = written.getvalue()

    assert f"duration of {evaluation.trips:,} trips (minutes)" in text
    for score in evaluation.scores:
        assert score.model in text
        assert f"{score.learnt_from:,}" in text
        assert f"{score.exact.rmse:.2f}" in text
        assert f"{score.noisy.mae:.2f}" in text
        assert f"{score.noisy.r2:.2f}" in text


def test_no_known_tip_to_measure_on_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = write_month(tmp_path, payment_type=2.0)

    with pytest.raises(TripDataError, match="the tip is not known of any of"):
        evaluate(SHIPPED, [path], [path], QUIET)


def test_the_baselines_months_are_looked_for_beside_the_data_and_then_in_the_cache(
    tmp_path: Path,
) -> None:
    beside, cache = tmp_path / "beside", tmp_path / "cache"
    beside.mkdir()
    cache.mkdir()
    test, january = write_month(beside, "2023-03"), write_month(beside, "2023-01")
    february = write_month(cache, "2023-02")
    source = TripData(cache, "http://127.0.0.1:9")

    found = training_files(["2023-01", "2023-02"], [test], source, QUIET)

    assert found == [january, february]
