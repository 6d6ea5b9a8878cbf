from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError

from streaming.errors import StreamError
from streaming.redrive.stream_identity import StreamIdentity, identify
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis


@pytest.fixture
def kinesis() -> FakeKinesis:
    kinesis = FakeKinesis(Clock())
    kinesis.create_stream(StreamName="rides")
    return kinesis


def test_a_stream_is_identified_by_its_arn_its_endpoint_and_its_creation(
    kinesis: FakeKinesis,
) -> None:
    identity = identify(kinesis, "rides")

    assert identity == StreamIdentity(
        "arn:aws:kinesis:us-east-1:123456789012:stream/rides",
        "https://kinesis.us-east-1.amazonaws.com",
        "2025-03-01T13:15:00+00:00",
    )
    assert str(identity) == (
        "arn:aws:kinesis:us-east-1:123456789012:stream/rides at "
        "https://kinesis.us-east-1.amazonaws.com, created 2025-03-01T13:15:00+00:00"
    )


def test_a_stream_whose_endpoint_does_not_say_when_it_was_created_has_no_creation() -> None:
    assert str(StreamIdentity("arn:x", "http://k", None)) == "arn:x at http://k"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("ResourceNotFoundException", "ResourceNotFoundException"),
        (ReadTimeoutError(endpoint_url="http://x"), "ReadTimeoutError"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_stream_that_cannot_be_described_is_an_error(
    kinesis: FakeKinesis, failure: str | Exception, reason: str
) -> None:
    kinesis.fail("describe_stream_summary", failure)

    with pytest.raises(StreamError, match=f"cannot describe rides: {reason}"):
        identify(kinesis, "rides")
