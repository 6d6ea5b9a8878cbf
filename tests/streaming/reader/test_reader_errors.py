"""Which failures of Kinesis are errors and which are retried."""

import pytest
from botocore.exceptions import EndpointConnectionError

from streaming.errors import StreamError, StreamUnavailable
from streaming.reader.stream_reader import StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.streaming.reader.reader_fixtures import FIRST, numbers_in, put, reader_of


def test_a_throttled_shard_does_not_block_the_others(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(20))
    kinesis.fail("get_records", "ProvisionedThroughputExceededException")
    record = next(iter(reader_of(kinesis, clock)))
    assert record.shard_id != FIRST
    assert clock.now() == 0


def test_a_missing_stream_is_an_error_at_once(kinesis: FakeKinesis) -> None:
    with pytest.raises(StreamError, match="cannot read the stream 'nowhere'"):
        list(StreamReader(kinesis, "nowhere"))


def test_a_reader_can_continue_after_an_error_was_fixed(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(20))
    kinesis.fail("get_shard_iterator", "AccessDeniedException")
    reader = reader_of(kinesis, clock)
    with pytest.raises(StreamError, match="AccessDenied"):
        numbers_in(reader)
    assert sorted(numbers_in(reader)) == list(range(20))


def test_an_unreachable_endpoint_is_an_error_at_the_start_and_retried_later(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    unreachable = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    kinesis.fail("list_shards", unreachable)
    reader = reader_of(kinesis, clock)
    with pytest.raises(StreamUnavailable):
        list(reader)
    put(kinesis, range(5))
    kinesis.split("rides", FIRST)
    kinesis.fail("list_shards", None, unreachable, unreachable)
    put(kinesis, range(5, 10))
    assert sorted(numbers_in(reader)) == list(range(10))


def test_listing_is_retried_with_exponential_backoff(
    kinesis: FakeKinesis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    finished = dict.fromkeys([FIRST, "shardId-000000000001"], "FINISHED")
    reader = reader_of(kinesis, clock, saved=finished, jitter=lambda: 1.0)
    for _ in range(2):
        kinesis.fail("list_shards", None, *["LimitExceededException"] * 4)
        assert numbers_in(reader) == []
        assert numbers_in(reader) == []
    assert clock.sleeps == pytest.approx([0.1, 0.2, 0.4, 0.8] * 2)
    reason = "LimitExceededException (ListShards, HTTP status 400)"
    assert caplog.messages == [f"cannot read the stream 'rides': {reason}; retrying"] * 8


def test_reading_a_shard_is_retried_after_random_waits(kinesis: FakeKinesis, clock: Clock) -> None:
    kinesis.fail("get_records", *["ProvisionedThroughputExceededException"] * 3)
    other = {"shardId-000000000001": "FINISHED"}
    reader = reader_of(kinesis, clock, saved=other, jitter=lambda: 0.5)
    assert numbers_in(reader) == []
    assert clock.sleeps == pytest.approx([0.2 + 0.1 / 2, 0.2 + 0.2 / 2, 0.2 + 0.4 / 2])
