"""What a stream's description says, and when it was given."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from streaming.errors import StreamUnavailable
from streaming.reader.stream_description import StreamDescription, describe_stream, response_date
from tests.fakes.clock import EPOCH, Clock
from tests.fakes.kinesis import FakeKinesis


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_times_are_in_utc_wherever_the_machine_is(kinesis: FakeKinesis, clock: Clock) -> None:
    clock.advance(60)
    described = describe_stream(kinesis, "rides", clock.utc)
    assert described.created == "2025-03-01T13:15:00+00:00"
    assert described.described_at.isoformat() == "2025-03-01T13:16:00+00:00"


def test_an_endpoint_need_not_say_when_a_stream_was_created_or_what_time_it_is(
    clock: Clock,
) -> None:
    class Terse:
        def describe_stream_summary(self, **_: str) -> dict[str, Any]:
            return {"StreamDescriptionSummary": {"StreamName": "rides"}}

    client: Any = Terse()
    assert describe_stream(client, "rides", clock.utc) == StreamDescription(None, EPOCH)


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_response_may_have_no_date(date: str | None) -> None:
    assert response_date({"ResponseMetadata": {"HTTPHeaders": {"date": date}}}) is None


def test_a_stream_that_cannot_be_described_is_named_with_the_reason(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.fail("describe_stream_summary", EndpointConnectionError(endpoint_url="http://k"))
    with pytest.raises(StreamUnavailable, match="'rides': EndpointConnectionError"):
        describe_stream(kinesis, "rides", clock.utc)
