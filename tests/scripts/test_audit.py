from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.audit import main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("run.txt", "test.txt", "notes.md"):
        (tmp_path / name).touch()
    return tmp_path


def reachable() -> None:
    return


def unreachable() -> None:
    raise OSError("no such host")


def test_every_locked_file_is_audited_and_one_vulnerability_fails_it(folder: Path) -> None:
    audited: list[str] = []

    def run(command: Sequence[str]) -> int:
        audited.append(command[4])
        return 1 if "run" in command[4] else 0

    assert main([], reach=reachable, run=run, folder=folder) == 1
    assert audited == [str(folder / "run.txt"), str(folder / "test.txt")]


def test_no_known_vulnerability_is_a_success(folder: Path) -> None:
    assert main([], reach=reachable, run=lambda _command: 0, folder=folder) == 0


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--strict"], 1)])
def test_an_unreachable_database_is_reported_and_fails_only_a_strict_run(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, reach=unreachable, run=lambda _command: 2) == status
    assert "Not audited: the database at " in capsys.readouterr().out
