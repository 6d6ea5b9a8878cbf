import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.run_folder import RunFolderError, create_run_folder, require_space

START = datetime(2025, 3, 1, 8, 15, tzinfo=UTC)


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = [create_run_folder(tmp_path / "runs", now=lambda: START) for _ in range(3)]
    assert [folder.name for folder in folders] == [
        "20250301T081500Z",
        "20250301T081500Z-2",
        "20250301T081500Z-3",
    ]
    assert all(folder.is_dir() for folder in folders)


def test_a_folder_that_cannot_be_created_is_one_line_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file")
    with pytest.raises(RunFolderError) as raised:
        create_run_folder(tmp_path / "build" / "local", now=lambda: START)
    assert str(raised.value) == (
        f"cannot create {tmp_path}/build/local/20250301T081500Z: Not a directory; "
        "name another folder: FOLDER=..."
    )


def test_a_file_in_place_of_the_parent_folder_is_the_same_error(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot create"):
        create_run_folder(tmp_path / "build", now=lambda: START)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=4096))
    with pytest.raises(RunFolderError, match=r"the disk of .* is full: 4,096 bytes are free"):
        require_space(tmp_path)
