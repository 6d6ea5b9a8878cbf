"""What the reader and the redrive show of a failed call: nothing of AWS's message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError

from streaming.errors import StreamError
from streaming.reader.stream_reader import StreamReader
from streaming.redrive.delivery import deliver
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.survey import Selection
from streaming.storage import FolderStorage
from tests.dead_letter_objects import dead_letter, write_dead_letters
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis, client_error
from tests.publish_on_clock import publish_on

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "Xq7tokenXq7"  # noqa: S105  a marker to search for
HOSTILE = f"blocked: X-Amz-Security-Token: {SECRET}\x1b[2J\nFAKE LINE " + "x" * 200_000
LINE_CHARACTERS = 300

ERRORS = {
    "a page of a proxy": client_error("503", "get_records", HOSTILE, status=503),
    "a message of AWS": client_error("AccessDeniedException", "get_records", HOSTILE),
    "a code": client_error(HOSTILE, "get_records", HOSTILE, status=500),
    "a response that cannot be parsed": ValueError(HOSTILE),
    "the connection": HTTPClientError(error=HOSTILE),
    "an endpoint": EndpointConnectionError(endpoint_url=f"https://me:{SECRET}@host/?{SECRET}"),
}


@pytest.fixture(params=ERRORS)
def error(request: pytest.FixtureRequest) -> Exception:
    return ERRORS[request.param]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName="ride_events")
    return kinesis


def assert_harmless(lines: list[str]) -> None:
    assert lines
    for line in lines:
        assert SECRET not in line
        assert line.isprintable()
        assert len(line) < LINE_CHARACTERS


@pytest.mark.parametrize(
    "operation", ["list_shards", "get_shard_iterator", "get_records", "describe_stream_summary"]
)
def test_the_reader_shows_nothing_of_the_message_of_an_error(
    kinesis: FakeKinesis,
    clock: Clock,
    operation: str,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinesis.put("ride_events", "a", b"1")
    kinesis.fail(operation, error)
    raised = []
    try:
        list(
            StreamReader(
                kinesis,
                "ride_events",
                follow=False,
                clock=clock.now,
                sleep=clock.sleep,
                now=clock.utc,
            )
        )
    except StreamError as failure:
        raised = [str(failure)]

    assert_harmless([*caplog.messages, *raised])


@pytest.mark.parametrize("operation", ["describe_stream_summary", "put_records"])
def test_the_redrive_shows_nothing_of_the_message_of_an_error(
    kinesis: FakeKinesis, clock: Clock, operation: str, error: Exception, tmp_path: Path
) -> None:
    storage = FolderStorage(tmp_path / "dead")
    write_dead_letters(tmp_path / "dead", dead_letter(b"one", 1))
    kinesis.fail(operation, *[error] * 1_000)

    with DeliveryLog(tmp_path / "redrive.log", "here", None) as log:
        done = deliver(
            storage, [storage.names()], Selection(), log, kinesis, publish=publish_on(clock)
        )

    assert list(done.failures) == ["ride_events"]
    assert_harmless(list(done.failures.values()))
