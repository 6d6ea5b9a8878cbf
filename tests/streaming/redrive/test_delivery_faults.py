"""What a delivery leaves on the stream when something ends it: each record once, or as stated."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from streaming.errors import DeliveryLogError, DeliveryLogMismatch
from streaming.redrive.delivery import Delivery, deliver
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.survey import Selection, survey
from streaming.storage import FolderStorage
from tests.dead_letter_objects import dead_letter, write_dead_letters
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis, client_error
from tests.publish_on_clock import publish_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

RECORDS, CALLS, CALL = 1200, 3, 500
URL = "https://kinesis.us-east-1.amazonaws.com"


class Killed(BaseException):
    """The program ends here, as on SIGKILL."""


class Connection:
    """A connection to a Kinesis that fails at one call of PutRecords.

    Args:
        kinesis: The service.
        call: The number of the call, from 0.
        error: What the caller gets.
        reached: Whether Kinesis gets the call before.
    """

    def __init__(
        self, kinesis: FakeKinesis, call: int, error: BaseException, *, reached: bool
    ) -> None:
        self.meta = kinesis.meta
        self.describe_stream_summary = kinesis.describe_stream_summary
        self._kinesis = kinesis
        self._calls_left = call
        self._error = error
        self._reached = reached

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:
        self._calls_left -= 1
        if self._calls_left != -1:
            return self._kinesis.put_records(StreamName=StreamName, Records=Records)
        if self._reached:
            self._kinesis.put_records(StreamName=StreamName, Records=Records)
        raise self._error


class Redrive:
    """A folder with one object of 1,200 records, which take three calls, and their stream."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.kinesis = self.new_kinesis(URL)
        self.storage = FolderStorage(folder / "dead")
        self.log_path = folder / "redrive.log"
        self.sync: Callable[[int], None] = os.fsync
        names = [f"{number:04}".encode() for number in range(RECORDS)]
        write_dead_letters(
            folder / "dead", *(dead_letter(name, number) for number, name in enumerate(names))
        )

    def new_kinesis(self, endpoint_url: str) -> FakeKinesis:
        kinesis = FakeKinesis(self.clock)
        kinesis.meta.endpoint_url = endpoint_url
        kinesis.create_stream(StreamName="ride_events")
        return kinesis

    def log(self) -> DeliveryLog:
        return DeliveryLog(self.log_path, "here", None, sync=self.sync)

    def run(
        self, client: Any = None, advance: Callable[[int], None] = lambda _count: None
    ) -> Delivery:
        with self.log() as log:
            names = survey(self.storage, self.storage.names(), Selection(), log).objects
            return deliver(
                self.storage,
                names,
                Selection(),
                log,
                client or self.kinesis,
                delete=True,
                publish=publish_on(self.clock),
                advance=advance,
            )

    def on_stream(self) -> list[bytes]:
        return self.kinesis.payloads("ride_events")


@pytest.fixture
def redrive(tmp_path: Path) -> Redrive:
    return Redrive(tmp_path)


@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize("reached", [False, True])
def test_killed_in_any_call_only_the_records_of_that_call_can_be_put_twice(
    redrive: Redrive, call: int, *, reached: bool
) -> None:
    with pytest.raises(Killed):
        redrive.run(Connection(redrive.kinesis, call, Killed(), reached=reached))
    in_doubt = min(CALL, RECORDS - call * CALL)
    assert len(redrive.on_stream()) == call * CALL + in_doubt * reached

    done = redrive.run()

    assert done == Delivery(delivered=RECORDS - call * CALL, repeated=in_doubt, deleted=1)
    assert len(redrive.on_stream()) == RECORDS + in_doubt * reached
    assert len(set(redrive.on_stream())) == RECORDS


@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        client_error("InternalFailure", "put_records", status=500),
    ],
    ids=lambda error: type(error).__name__,
)
def test_records_whose_response_was_lost_are_put_again_and_counted(
    redrive: Redrive, call: int, error: Exception
) -> None:
    done = redrive.run(Connection(redrive.kinesis, call, error, reached=True))

    size = min(CALL, RECORDS - call * CALL)
    assert done == Delivery(delivered=RECORDS, repeated=size, deleted=1)
    assert len(redrive.on_stream()) == RECORDS + size


def test_a_call_without_a_response_is_no_progress(redrive: Redrive) -> None:
    advances: list[int] = []
    lost = ReadTimeoutError(endpoint_url=URL)

    redrive.run(Connection(redrive.kinesis, 1, lost, reached=True), advances.append)

    assert sum(advances) == RECORDS
    assert advances[:2] == [CALL, 0]


@pytest.mark.parametrize("metadata", [{}, {"ResponseMetadata": {}}], ids=["nothing", "no status"])
def test_records_are_in_doubt_after_an_error_that_does_not_say_who_failed(
    redrive: Redrive, metadata: Any
) -> None:
    response: Any = {"Error": {"Code": "AccessDeniedException"}, **metadata}
    error = ClientError(response, "PutRecords")

    done = redrive.run(Connection(redrive.kinesis, 1, error, reached=True))

    assert "AccessDeniedException" in done.failures["ride_events"]
    assert redrive.run().repeated == CALL


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        client_error("ThrottlingException", "put_records"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_records_that_kinesis_cannot_have_accepted_are_put_once(
    redrive: Redrive, error: Exception
) -> None:
    done = redrive.run(Connection(redrive.kinesis, 1, error, reached=False))

    assert done == Delivery(delivered=RECORDS, deleted=1)
    assert len(redrive.on_stream()) == RECORDS


@pytest.mark.parametrize(
    "response",
    [
        {"FailedRecordCount": 0},
        {"FailedRecordCount": 0, "Records": []},
        {"FailedRecordCount": 0, "Records": CALL * [{}]},
    ],
    ids=["no records", "too few records", "records without sequence numbers"],
)
def test_records_are_not_delivered_without_a_sequence_number(
    redrive: Redrive, response: dict[str, Any]
) -> None:
    real = redrive.kinesis.put_records
    redrive.kinesis.put_records = lambda **_: response  # type: ignore[method-assign]
    redrive.run()
    assert len(redrive.storage.names()) == 1
    redrive.kinesis.put_records = real  # type: ignore[method-assign]

    done = redrive.run()

    assert (done.delivered, done.deleted) == (RECORDS, 1)
    assert done.repeated >= CALL
    assert len(redrive.on_stream()) == RECORDS


REFUSED = {"ErrorCode": "InternalFailure", "ErrorMessage": "later"}


@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize(
    "contradict",
    [
        lambda results: {"FailedRecordCount": 0, "Records": [*results[:-2], REFUSED, REFUSED]},
        lambda results: {"FailedRecordCount": 1, "Records": results},
        lambda results: {"FailedRecordCount": 0, "Records": [*results[:-1], {}]},
        lambda results: {"FailedRecordCount": 0, "Records": results[:-1]},
        lambda results: {"FailedRecordCount": 0, "Records": [*results, REFUSED]},
        lambda results: {"FailedRecordCount": 0, "Records": [*results[:-1], None]},
        lambda _: {"FailedRecordCount": 0, "Records": None},
        lambda _: {"FailedRecordCount": 0},
        lambda results: {"Records": results},
        lambda _: None,
    ],
    ids=[
        "refused but not counted",
        "counted but not refused",
        "neither accepted nor refused",
        "too few records",
        "too many records",
        "a record that is null",
        "records that are null",
        "no records",
        "no count",
        "no content",
    ],
)
def test_records_whose_response_contradicts_itself_are_put_again_and_counted(
    redrive: Redrive, call: int, contradict: Callable[[list[Any]], Any]
) -> None:
    real, calls = redrive.kinesis.put_records, iter(range(100))

    def put_records(*, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:
        response = real(StreamName=StreamName, Records=Records)
        if next(calls) != call:
            return response
        contradiction: Mapping[str, Any] = contradict(list(response["Records"]))
        return contradiction

    redrive.kinesis.put_records = put_records  # type: ignore[assignment,method-assign]

    done = redrive.run()

    size = min(CALL, RECORDS - call * CALL)
    assert done == Delivery(delivered=RECORDS, repeated=size, deleted=1)
    assert len(redrive.on_stream()) == RECORDS + size


def test_refused_after_a_lost_response_a_record_is_still_in_doubt(redrive: Redrive) -> None:
    redrive.kinesis.refuse = lambda _entry: "ProvisionedThroughputExceededException"
    lost = ReadTimeoutError(endpoint_url=URL)
    assert redrive.run(Connection(redrive.kinesis, 0, lost, reached=False)).delivered == 0
    redrive.kinesis.refuse = lambda _entry: None

    assert redrive.run() == Delivery(delivered=RECORDS, repeated=CALL, deleted=1)


def test_nothing_is_put_if_the_log_cannot_be_opened(redrive: Redrive) -> None:
    redrive.log_path = redrive.log_path / "no" / "folder"

    for _ in range(3):
        with pytest.raises(DeliveryLogError, match="cannot write"):
            redrive.run()
    assert redrive.on_stream() == []


@pytest.mark.parametrize("fault", range(2 + CALLS))
def test_a_disk_that_is_full_at_any_time_puts_nothing_twice(redrive: Redrive, fault: int) -> None:
    syncs = 0

    def full_at_fault(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs > fault:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)

    redrive.sync = full_at_fault
    for _ in range(3):
        with pytest.raises(DeliveryLogError, match="No space left on device"):
            redrive.run()
        # The first two writes are the header and the stream.
        assert len(redrive.on_stream()) == max(0, fault - 2) * CALL

    redrive.sync = os.fsync
    assert redrive.run().repeated == 0
    assert len(redrive.on_stream()) == len(set(redrive.on_stream())) == RECORDS


def test_a_second_redrive_at_the_same_time_puts_nothing(redrive: Redrive) -> None:
    with redrive.log():
        with pytest.raises(DeliveryLogError, match="is in use by another redrive"):
            redrive.run()
        assert redrive.on_stream() == []

    assert redrive.run() == Delivery(delivered=RECORDS, deleted=1)


def test_rehearsed_against_another_endpoint_nothing_is_deleted(redrive: Redrive) -> None:
    rehearsal = redrive.new_kinesis("http://127.0.0.1:4566")
    dead_letters = [(name, redrive.storage.read(name)) for name in redrive.storage.names()]
    redrive.run(rehearsal)
    for name, content in dead_letters:
        redrive.storage.put(name, content)

    with pytest.raises(DeliveryLogMismatch, match=r"at http://127\.0\.0\.1:4566, .*, but this is"):
        redrive.run()

    assert redrive.on_stream() == []
    assert len(redrive.storage.names()) == 1


def test_records_delivered_to_a_stream_that_was_created_again_are_not_deleted(
    redrive: Redrive,
) -> None:
    dead_letters = [(name, redrive.storage.read(name)) for name in redrive.storage.names()]
    redrive.run()
    for name, content in dead_letters:
        redrive.storage.put(name, content)
    redrive.clock.advance(60)

    with pytest.raises(DeliveryLogMismatch, match="created 2025-03-01T13:15:00"):
        redrive.run(redrive.new_kinesis(URL))

    assert len(redrive.storage.names()) == 1
