from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.errors import DeliveryLogMismatch
from streaming.redrive.delivery_log import DeliveryLog

if TYPE_CHECKING:
    from pathlib import Path

LOCATION = "file:///dead"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "redrive.log"


def test_a_delivery_log_is_read_back(path: Path) -> None:
    with DeliveryLog(path, LOCATION, None) as delivery_log:
        delivery_log.add(["a:1", 'odd\n"id"'])
        delivery_log.add(["a:2"])
        assert "a:2" in delivery_log

    again = DeliveryLog(path, LOCATION, None)

    assert len(again) == 3
    assert 'odd\n"id"' in again
    assert "a:3" not in again


def test_delivered_records_are_on_disk_at_once(path: Path) -> None:
    with DeliveryLog(path, LOCATION, None) as delivery_log:
        delivery_log.add(["a:1"])

        assert "a:1" in DeliveryLog(path, LOCATION, None)


def test_without_deliveries_there_is_no_file(path: Path) -> None:
    with DeliveryLog(path, LOCATION, None):
        pass

    assert not path.exists()


@pytest.mark.parametrize("kept", range(1, 60))
def test_a_truncated_file_is_read_up_to_its_last_complete_line(path: Path, kept: int) -> None:
    with DeliveryLog(path, LOCATION, None) as delivery_log:
        delivery_log.add(["a:1"])
    content = path.read_bytes()
    path.write_bytes(content[:kept])

    with DeliveryLog(path, LOCATION, None) as resumed:
        assert ("a:1" in resumed) == (kept >= len(content))
        resumed.add(["a:2"])

    again = DeliveryLog(path, LOCATION, None)
    assert "a:2" in again
    assert ("a:1" in again) == (kept >= len(content))


def test_an_empty_file_is_an_empty_delivery_log(path: Path) -> None:
    path.touch()

    assert len(DeliveryLog(path, LOCATION, None)) == 0


@pytest.mark.parametrize(("location", "stream"), [("file:///other", None), (LOCATION, "rides")])
def test_a_delivery_log_of_another_redrive_is_rejected(
    path: Path, location: str, stream: str | None
) -> None:
    with DeliveryLog(path, location, stream) as delivery_log:
        delivery_log.add(["a:1"])

    with pytest.raises(DeliveryLogMismatch, match=f"logs a redrive from {location} to "):
        DeliveryLog(path, LOCATION, None)


@pytest.mark.parametrize("content", [b"[]\n", b"{}\n", b"\xff\n", b"\n", b"not a delivery log"])
def test_a_file_that_is_not_a_delivery_log_is_rejected_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(DeliveryLogMismatch, match="is not a delivery log"):
        DeliveryLog(path, LOCATION, None)
    assert path.read_bytes() == content
