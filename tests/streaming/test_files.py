import errno
import os
from pathlib import Path

import pytest

from streaming.files import write_atomically


def test_a_file_is_written_and_its_folder_created(tmp_path: Path) -> None:
    write_atomically(tmp_path / "rides" / "2025" / "records.jsonl", b"{}\n")

    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert path == tmp_path / "rides/2025/records.jsonl"
    assert path.read_bytes() == b"{}\n"


def test_an_existing_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    write_atomically(path, b"before")
    with path.open("rb") as reader:
        write_atomically(path, b"after")
        assert reader.read() == b"before"
    assert path.read_bytes() == b"after"


def test_a_failed_write_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "records.jsonl", b"{}\n")

    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


def test_an_error_of_a_full_disk_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(OSError, match=r"No space left on device: '.*/checkpoint\.json'$"):
        write_atomically(tmp_path / "checkpoint.json", b"{}\n")
