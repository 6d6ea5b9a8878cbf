from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.errors import DeliveryLogMismatch
from streaming.redrive.delivery_log import DeliveryLog

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "file:///dead"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.state"


def test_what_was_added_is_known_to_the_next_journal(path: Path) -> None:
    with DeliveryLog(path, PLACE, None) as delivery_log:
        delivery_log.add(["a:1", 'odd\n"id"'])
        delivery_log.add(["a:2"])
        assert "a:2" in delivery_log

    again = DeliveryLog(path, PLACE, None)

    assert len(again) == 3
    assert 'odd\n"id"' in again
    assert "a:3" not in again


def test_additions_are_on_the_disk_at_once(path: Path) -> None:
    with DeliveryLog(path, PLACE, None) as delivery_log:
        delivery_log.add(["a:1"])

        assert "a:1" in DeliveryLog(path, PLACE, None)


def test_without_an_addition_there_is_no_file(path: Path) -> None:
    with DeliveryLog(path, PLACE, None):
        pass

    assert not path.exists()


@pytest.mark.parametrize("kept", range(1, 60))
def test_a_file_cut_off_anywhere_is_read_as_far_as_its_lines_are_whole(
    path: Path, kept: int
) -> None:
    with DeliveryLog(path, PLACE, None) as delivery_log:
        delivery_log.add(["a:1"])
    content = path.read_bytes()
    path.write_bytes(content[:kept])

    with DeliveryLog(path, PLACE, None) as resumed:
        assert ("a:1" in resumed) == (kept >= len(content))
        resumed.add(["a:2"])

    again = DeliveryLog(path, PLACE, None)
    assert "a:2" in again
    assert ("a:1" in again) == (kept >= len(content))


def test_an_empty_file_is_an_empty_journal(path: Path) -> None:
    path.touch()

    assert len(DeliveryLog(path, PLACE, None)) == 0


@pytest.mark.parametrize(("place", "stream"), [("file:///other", None), (PLACE, "rides")])
def test_a_journal_of_another_replay_is_refused(path: Path, place: str, stream: str | None) -> None:
    with DeliveryLog(path, place, stream) as delivery_log:
        delivery_log.add(["a:1"])

    with pytest.raises(DeliveryLogMismatch, match=f"logs a redrive from {place} to "):
        DeliveryLog(path, PLACE, None)


@pytest.mark.parametrize("content", [b"[]\n", b"{}\n", b"\xff\n", b"\n", b"a letter to a friend"])
def test_a_file_that_is_no_journal_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(DeliveryLogMismatch, match="is not a delivery log"):
        DeliveryLog(path, PLACE, None)
    assert path.read_bytes() == content
