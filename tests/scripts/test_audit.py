from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.audit import REQUIREMENTS, main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("run.txt", "test.txt", "test.in"):
        (tmp_path / name).touch()
    return tmp_path


def reached() -> None:
    return


def out_of_reach() -> None:
    raise OSError("no such host")


def test_every_locked_file_is_audited_and_one_vulnerability_fails_it(folder: Path) -> None:
    audited: list[str] = []

    def run(command: Sequence[str]) -> int:
        audited.append(command[4])
        return 1 if "run" in command[4] else 0

    assert main([], reach=reached, run=run, folder=folder) == 1
    assert audited == [str(folder / "run.txt"), str(folder / "test.txt")]


def test_nothing_known_is_a_success(folder: Path) -> None:
    assert main([], reach=reached, run=lambda _command: 0, folder=folder) == 0


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--strict"], 1)])
def test_a_database_out_of_reach_is_said(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, reach=out_of_reach, run=lambda _command: 2) == status
    assert "Not audited: the database at " in capsys.readouterr().out


def test_every_requirement_is_locked_with_its_hashes() -> None:
    for path in REQUIREMENTS.glob("*.in"):
        locked = path.with_suffix(".txt").read_text()
        pins = [line for line in locked.splitlines() if line and line[0] not in " #"]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
