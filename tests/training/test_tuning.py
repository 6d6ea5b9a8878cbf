from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from scripts.tune import main
from tests.training.city import QUIET, SMALL, SMALL_DURATION, write_month
from training import fit
from training.errors import TripDataError
from training.tuning import Trial, tune

if TYPE_CHECKING:
    from pathlib import Path

BAD = replace(SMALL_DURATION, parameters=replace(SMALL, learning_rate=0.02, half_life=1))


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("months")
    return write_month(folder, "2023-01"), write_month(folder, "2023-02")


def trials(months: tuple[Path, Path], count: int) -> list[Trial]:
    return list(tune(BAD, months[:1], months[1:], count, QUIET))


def test_a_search_finds_better_parameters_than_bad_ones(months: tuple[Path, Path]) -> None:
    first, *others = trials(months, 6)

    assert first.parameters == BAD.parameters
    best = min(others, key=lambda trial: trial.score)
    assert best.score < 0.9 * first.score
    assert best.parameters.learning_rate > 0.02


def test_no_trial_takes_longer_to_predict_and_all_are_repeatable(
    months: tuple[Path, Path],
) -> None:
    found = trials(months, 3)

    assert {trial.parameters.trees for trial in found} == {SMALL.trees}
    assert all(2 <= trial.parameters.leaves <= SMALL.leaves for trial in found)
    assert trials(months, 3) == found


def test_no_month_is_both_fitted_and_measured(months: tuple[Path, Path]) -> None:
    with pytest.raises(TripDataError, match="both for training and for evaluation: 2023-02"):
        next(tune(BAD, months, months[1:], 1, QUIET))


def test_the_program_prints_each_trial_and_the_best(
    months: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.tune.TARGETS", (replace(fit.TIP, parameters=SMALL),))
    fitted, measured = map(str, months)

    assert main(["--data", fitted, "--validate", measured, "--target", "tip", "--trials", "2"]) == 0

    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("0: RMSE 0.")
    assert "US dollars: leaves=15 learning_rate=0.3 min_samples_leaf=10 " in first
    assert first.endswith(" best")
    assert second.startswith("1: RMSE ")
    number = 1 if second.endswith(" best") else 0
    assert last == f"The best is trial {number}; parameters are in training/fit.py."


def test_a_missing_file_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "nope.parquet", "--validate", "nope.parquet"]) == 1

    assert capsys.readouterr().err == "error: no such file: nope.parquet\n"
