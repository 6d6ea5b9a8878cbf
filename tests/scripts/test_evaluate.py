from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.evaluate import main
from tests.training.city import write_month
from training.download import TripData

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_prints_a_table_for_each_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = write_month(tmp_path, "2021-01"), write_month(tmp_path, "2021-02")

    assert main(["--data", str(test), "--train", str(train)]) == 0

    printed = capsys.readouterr().out
    assert "duration of" in printed
    assert "tip of" in printed
    assert printed.count("random forest") == 2
    assert "trained on 2021" not in printed


def test_a_month_that_the_bundle_was_trained_on_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_month(tmp_path, "2023-01")

    assert main(["--data", str(path), "--train", str(path)]) == 0

    assert "The bundle was trained on 2023-01" in capsys.readouterr().out


def test_a_folder_that_is_not_a_bundle_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_month(tmp_path)

    assert main(["--data", str(path), "--bundle", str(tmp_path)]) == 1

    error = capsys.readouterr().err
    assert f"error: the bundle {tmp_path} has no readable manifest" in error
    assert len(error.strip().splitlines()) == 1


def test_missing_data_is_named_before_anything_is_downloaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"

    assert main(["--data", str(tmp_path / "nope.parquet"), "--cache", str(cache)]) == 1

    assert capsys.readouterr().err == f"error: no such file: {tmp_path / 'nope.parquet'}\n"
    assert not cache.exists()


def test_without_a_network_only_the_bundle_is_evaluated_and_the_reason_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_month(tmp_path, "2021-02")
    unreachable = TripData(tmp_path / "cache", "http://127.0.0.1:9", sleep=lambda _seconds: None)

    assert main(["--data", str(path)], source=unreachable) == 0

    printed = capsys.readouterr().out
    assert "The baselines are skipped, there are no trips to train them on: month 20" in printed
    assert "could not be downloaded from http://127.0.0.1:9" in printed
    assert printed.count("this bundle") == 2
    assert "random forest" not in printed
