from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.train import main
from tests.training.city import write_month

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_column_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_month(tmp_path, "2023-02", DOLocationID=None)

    assert main(["--data", str(path), "--output", str(tmp_path / "models")]) == 1

    assert capsys.readouterr().err == (
        f"error: month 2023-02 lacks the column DOLocationID ({path})\n"
    )
    assert not (tmp_path / "models").exists()


def test_months_are_read_from_the_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_month(tmp_path, "2023-01", tip_amount=None)

    assert main(["--months", "2023-01", "--cache", str(tmp_path)]) == 1

    assert "month 2023-01 lacks the column tip_amount" in capsys.readouterr().err


def test_an_invalid_month_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--months", "2023-01,jan"]) == 1

    assert capsys.readouterr().err == ("error: month is 'jan'; allowed: YYYY-MM, such as 2023-01\n")


def test_a_month_is_not_used_for_both_training_and_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_month(tmp_path, "2023-01"))

    assert main(["--data", path, "--test", path, "--output", str(tmp_path / "models")]) == 1

    assert "error: used both for training and for evaluation: 2023-01\n" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--months", "2023-01", "--data", "a.parquet"]])
def test_either_months_or_files_are_required(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

    assert "--months" in capsys.readouterr().err


def test_a_missing_file_is_named_before_anything_is_downloaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    months = ["--months", "2023-01", "--cache", str(tmp_path / "cache")]

    assert main([*months, "--test", str(tmp_path / "nope.parquet")]) == 1

    assert capsys.readouterr().err == f"error: no such file: {tmp_path / 'nope.parquet'}\n"
    assert not (tmp_path / "cache").exists()


def test_the_paths_of_files_may_have_spaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_month(tmp_path, "2023-01", tip_amount=None)
    spaced = (tmp_path / "green_tripdata_2023-01.parquet").rename(tmp_path / "my 2023-01.parquet")

    for data in (str(spaced), f"'{spaced}'"):
        assert main(["--data", data, "--output", str(tmp_path / "models")]) == 1
        assert f"lacks the column tip_amount ({spaced})" in capsys.readouterr().err


def test_what_ships_is_not_the_default_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "(default: build/bundle)" in " ".join(capsys.readouterr().out.split())
