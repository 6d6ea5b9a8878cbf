from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import DeliveryLogError, DeliveryLogMismatch
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.stream_identity import StreamIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

LOCATION = "file:///dead"
FULL_DISK = r"^cannot write .*redrive\.log: No space left on device$"
AWS = "https://kinesis.us-east-1.amazonaws.com"
RIDES = StreamIdentity("arn:aws:kinesis:us-east-1:123456789012:stream/rides", AWS, "2025-03-01")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "redrive.log"


def opened(path: Path, sync: Callable[[int], None] = os.fsync) -> DeliveryLog:
    return DeliveryLog(path, LOCATION, None, sync=sync)


def deliver(log: DeliveryLog, *record_ids: str) -> None:
    log.sending(record_ids)
    log.sent(accepted=record_ids)


def full_disk(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_delivery_log_is_read_back(path: Path) -> None:
    with opened(path) as log:
        log.bind(RIDES)
        deliver(log, "a:1", 'odd\n"id"')
        deliver(log, "a:2")
        assert "a:2" in log

    again = opened(path)

    assert len(again) == 3
    assert 'odd\n"id"' in again
    assert "a:3" not in again


def test_delivered_records_are_on_disk_at_once(path: Path) -> None:
    with opened(path) as log:
        deliver(log, "a:1")

        assert "a:1" in opened(path)


def test_records_are_on_disk_before_they_are_sent_and_are_not_delivered_yet(path: Path) -> None:
    synced: list[bytes] = []
    with opened(path, lambda _file: synced.append(path.read_bytes())) as log:
        log.sending(["a:1"])

        assert synced[-1].endswith(b'?"a:1"\n')
        assert "a:1" not in log
        assert "a:1" not in opened(path)


def test_a_record_without_a_response_is_in_doubt_until_it_is_accepted(path: Path) -> None:
    with opened(path) as log:
        log.sending(["lost", "refused"])
        log.sent(refused=["refused"])
        assert log.repeated == 0

    with opened(path) as log:
        log.sending(["lost", "refused", "new"])
        log.sent(accepted=["new"], refused=["lost", "refused"])
        assert log.repeated == 0

    with opened(path) as log:
        deliver(log, "lost", "refused")
        assert log.repeated == 1

    assert opened(path).repeated == 1
    assert len(opened(path)) == 3


def test_reading_a_delivery_log_creates_no_file(path: Path) -> None:
    assert len(opened(path)) == 0

    assert not path.exists()


@pytest.mark.parametrize("kept", range(1, 75))
def test_a_truncated_file_is_read_up_to_its_last_complete_line(path: Path, kept: int) -> None:
    with opened(path) as log:
        deliver(log, "a:1")
    content = path.read_bytes()
    path.write_bytes(content[:kept])

    with opened(path) as resumed:
        assert ("a:1" in resumed) == (kept >= len(content))
        deliver(resumed, "a:2")

    again = opened(path)
    assert "a:2" in again
    assert ("a:1" in again) == (kept >= len(content))


def test_an_empty_file_is_an_empty_delivery_log(path: Path) -> None:
    path.touch()

    assert len(opened(path)) == 0


@pytest.mark.parametrize(("location", "stream"), [("file:///other", None), (LOCATION, "rides")])
def test_a_delivery_log_of_another_redrive_is_rejected(
    path: Path, location: str, stream: str | None
) -> None:
    with DeliveryLog(path, location, stream) as log:
        deliver(log, "a:1")

    to = stream or "the original streams"
    with pytest.raises(DeliveryLogMismatch, match=f"logs a redrive from {location} to {to}"):
        opened(path)


def test_a_delivery_log_in_which_nothing_was_logged_belongs_to_no_redrive(path: Path) -> None:
    with DeliveryLog(path, "file:///other", "rides"):
        pass

    with opened(path) as log:
        deliver(log, "a:1")

    assert "a:1" in opened(path)


@pytest.mark.parametrize(
    "content",
    [
        b"[]\n",
        b"{}\n",
        b"\xff\n",
        b"\n",
        b"not a delivery log",
        b'{"location":"file:///dead","stream":null}\n"a:1"\n',
        b'{"version":2,"location":"file:///dead","stream":null}\n!"a:1"\n',
        b'{"version":2,"location":"file:///dead","stream":null}\n=[]\n',
    ],
)
def test_a_file_that_is_not_a_delivery_log_is_rejected_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(DeliveryLogMismatch, match="is not a delivery log"):
        opened(path)
    assert path.read_bytes() == content


HEADER = b'{"version":2,"location":"file:///dead","stream":null}\n'


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.lists(
        st.tuples(st.sampled_from([b"?", b"+", b"*", b"-", b"=", b""]), st.binary(max_size=8))
    ).map(lambda lines: HEADER + b"".join(state + b'"' + text + b'"\n' for state, text in lines))
)
def test_any_bytes_are_a_delivery_log_or_rejected(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "redrive.log"
        path.write_bytes(content)
        try:
            with opened(path, lambda _file: None) as log:
                deliver(log, "new")
        except DeliveryLogMismatch:
            assert path.read_bytes() == content
        else:
            assert "new" in opened(path)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_not_a_file_is_rejected(path: Path, make: Callable[[Path], None]) -> None:
    make(path)

    with pytest.raises(DeliveryLogMismatch, match="it is not a file"):
        opened(path)


@pytest.mark.parametrize(
    "other",
    [
        StreamIdentity("arn:aws:kinesis:us-east-1:999999999999:stream/rides", AWS, "2025-03-01"),
        StreamIdentity("arn:aws:kinesis:eu-west-1:123456789012:stream/rides", AWS, "2025-03-01"),
        StreamIdentity("arn:aws:kinesis:us-east-1:999999999999:stream/other", AWS, "2025-03-01"),
        StreamIdentity(RIDES.arn, "http://127.0.0.1:4566", "2025-03-01"),
        StreamIdentity(RIDES.arn, AWS, "2025-03-02"),
    ],
    ids=["account", "region", "account of another stream", "endpoint", "created again"],
)
def test_a_delivery_log_belongs_to_one_account_region_endpoint_and_stream(
    path: Path, other: StreamIdentity
) -> None:
    with opened(path) as log:
        log.bind(RIDES)

    with opened(path) as log, pytest.raises(DeliveryLogMismatch, match="logs deliveries to"):
        log.bind(other)


def test_several_streams_of_one_place_share_a_delivery_log(path: Path) -> None:
    other = StreamIdentity(RIDES.arn.replace("rides", "other"), AWS, "2025-03-02")
    for _ in range(2):
        with opened(path) as log:
            log.bind(RIDES)
            log.bind(other)

    assert path.read_bytes().count(b"=") == 2


def test_a_second_redrive_with_the_same_delivery_log_is_refused(path: Path) -> None:
    with opened(path) as log:
        with pytest.raises(DeliveryLogError, match="is in use by another redrive"), opened(path):
            raise AssertionError
        deliver(log, "a:1")

    with opened(path) as log:
        assert "a:1" in log


def test_what_another_redrive_delivered_before_the_lock_is_not_missed(path: Path) -> None:
    log = opened(path)
    with opened(path) as earlier:
        deliver(earlier, "a:1")

    with log:
        assert "a:1" in log


@pytest.mark.parametrize("name", ["no/such/folder/redrive.log", "."])
def test_a_delivery_log_that_cannot_be_written_is_an_error_when_it_is_opened(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(DeliveryLogError, match=r"cannot write|not a file"), opened(tmp_path / name):
        raise AssertionError


def test_a_full_disk_is_an_error_when_the_log_is_opened(path: Path) -> None:
    with pytest.raises(DeliveryLogError, match=FULL_DISK), opened(path, full_disk):
        raise AssertionError


def test_every_failure_to_read_or_write_the_log_names_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        full_disk(0)
        raise AssertionError

    with opened(path) as log:
        log.sending(["a:1"])
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", fail)
            with pytest.raises(DeliveryLogError, match=FULL_DISK):
                log.sent(accepted=["a:1"])
            with pytest.raises(DeliveryLogError, match=FULL_DISK):
                log.bind(RIDES)
    with pytest.raises(DeliveryLogError, match=FULL_DISK), opened(path, full_disk):
        pass
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(DeliveryLogError, match=FULL_DISK.replace("write", "read")):
        opened(path)


def test_a_file_system_that_writes_a_few_bytes_at_a_time_gets_all_of_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: pwrite(file, data[:3], at))

    with opened(path) as log:
        log.bind(RIDES)
        deliver(log, "a:1", "a:2")

    assert len(opened(path)) == 2


def test_a_delivery_log_is_no_program(path: Path) -> None:
    with opened(path):
        assert path.stat().st_mode & 0o111 == 0


def test_records_that_could_not_be_logged_leave_no_line(path: Path) -> None:
    syncs = iter([os.fsync, os.fsync, full_disk, os.fsync])

    def sync(file: int) -> None:
        next(syncs)(file)

    with opened(path, sync) as log:
        deliver(log, "a:1")
        before = path.read_bytes()

        with pytest.raises(DeliveryLogError, match=FULL_DISK):
            log.sending(["a:2"])

    assert path.read_bytes() == before


def test_a_disk_that_fails_again_when_a_line_is_removed_is_reported_with_its_first_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    syncs = iter([os.fsync, full_disk, os.fsync])

    def sync(file: int) -> None:
        next(syncs)(file)

    with opened(path, sync) as log:
        monkeypatch.setattr(os, "ftruncate", fail)
        with pytest.raises(DeliveryLogError, match=FULL_DISK):
            log.sending(["a:1"])


def test_a_delivery_log_that_is_not_open_cannot_be_written(path: Path) -> None:
    with pytest.raises(DeliveryLogError, match="is not open"):
        opened(path).sending(["a:1"])
