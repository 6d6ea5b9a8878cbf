from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.evaluate import main
from tests.training.city import write_month

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
    assert "learnt from 2021" not in printed


def test_a_month_that_the_bundle_learnt_from_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_month(tmp_path, "2023-01")

    assert main(["--data", str(path), "--train", str(path)]) == 0

    assert "The bundle learnt from 2023-01" in capsys.readouterr().out


def test_a_folder_that_is_no_bundle_ends_it_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_month(tmp_path)

    assert main(["--data", str(path), "--bundle", str(tmp_path)]) == 1

    error = capsys.readouterr().err
    assert f"evaluate: the bundle {tmp_path} has no manifest" in error
    assert len(error.strip().splitlines()) == 1
