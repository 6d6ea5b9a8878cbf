from pathlib import Path

import pytest

from streaming.files import write_atomically


def test_a_file_is_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "rides" / "2025" / "letters.jsonl", b"{}\n")

    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert path == tmp_path / "rides/2025/letters.jsonl"
    assert path.read_bytes() == b"{}\n"


def test_a_file_that_is_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    write_atomically(path, b"before")
    with path.open("rb") as reader:
        write_atomically(path, b"after")
        assert reader.read() == b"before"
    assert path.read_bytes() == b"after"


def test_a_file_that_cannot_get_its_name_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "letters.jsonl").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "letters.jsonl", b"{}\n")

    assert [path.name for path in tmp_path.iterdir()] == ["letters.jsonl"]
