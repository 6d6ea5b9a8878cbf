"""Streams that were created again, deleted, or may not be described."""

import json

import pytest

from streaming.errors import StreamError
from streaming.reader.checkpoints import LATEST
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.streaming.reader.reader_fixtures import numbers_in, put, reader_of


def test_a_stream_that_was_created_again_is_read_from_its_beginning(
    kinesis: FakeKinesis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    predictions = [json.dumps({"event_id": f"shard:{number}"}).encode() for number in range(25)]
    kinesis.put("rides", "k", *predictions[:20])
    reader = reader_of(kinesis, clock, follow=True)
    for number, _ in enumerate(reader, start=1):
        if number == 20:
            kinesis.create_again("rides")
            kinesis.put("rides", "k", *predictions)
        if number == 45:
            reader.stop()
    assert reader.duplicates == 0
    assert clock.now() < 15
    message = "the stream 'rides' was created again at 2025-03-01T13:15:01+00:00; reading it from"
    assert any(logged.startswith(message) for logged in caplog.messages)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_stream_that_was_created_again_is_recognised_at_the_next_iteration(
    kinesis: FakeKinesis, clock: Clock, *, resumed: bool
) -> None:
    put(kinesis, range(20))
    reader = reader_of(kinesis, clock)
    assert len(numbers_in(reader)) == 20
    kinesis.create_again("rides")
    put(kinesis, range(25))
    if resumed:
        reader = reader_of(kinesis, clock, start=LATEST, saved=reader.position)
    assert sorted(numbers_in(reader)) == list(range(25))


@pytest.mark.parametrize("operation", ["get_records", "get_shard_iterator"])
def test_a_stream_that_was_created_again_is_recognised_when_kinesis_rejects_its_iterators(
    kinesis: FakeKinesis, clock: Clock, operation: str
) -> None:
    put(kinesis, range(20))
    reader = reader_of(kinesis, clock, limit=2)
    read = []
    for record in reader:
        read.append(int(record.data))
        if len(read) == 5:
            kinesis.create_again("rides")
            put(kinesis, range(20, 40))
            if operation == "get_shard_iterator":
                kinesis.fail("get_records", "ExpiredIteratorException", "ExpiredIteratorException")
            kinesis.fail(operation, "InvalidArgumentException", "InvalidArgumentException")
            kinesis.fail("describe_stream_summary", "LimitExceededException")
    assert sorted(read[-20:]) == list(range(20, 40))
    assert clock.now() < 10


def test_a_record_of_an_earlier_stream_is_no_checkpoint_of_the_new_one(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(20))
    reader = reader_of(kinesis, clock)
    next(iter(reader))
    kinesis.create_again("rides")
    reader.open()
    reader.checkpoint()
    assert {reader.position[shard.shard_id] for shard in kinesis.open_shards("rides")} == {
        "TRIM_HORIZON"
    }


def test_a_deleted_stream_is_an_error(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(20))
    reader = reader_of(kinesis, clock, follow=True)
    next(iter(reader))
    kinesis.delete_stream(StreamName="rides")
    with pytest.raises(
        StreamError, match="cannot read the stream 'rides': ResourceNotFoundException"
    ):
        list(reader)


def test_a_stream_that_may_not_be_described_is_read_with_a_warning(
    kinesis: FakeKinesis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    put(kinesis, range(20))
    kinesis.fail("describe_stream_summary", *["AccessDeniedException"] * 9)
    reader = reader_of(kinesis, clock)
    assert len(numbers_in(reader)) == 20
    assert numbers_in(reader_of(kinesis, clock, saved=reader.position)) == []
    kinesis.fail("get_records", "AccessDeniedException")
    with pytest.raises(StreamError, match="GetRecords"):
        numbers_in(reader)
    assert set(caplog.messages) == {
        "rides may not be described: if it is created again, records are missed"
    }


def test_reading_continues_while_the_stream_cannot_be_described(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(5))
    kinesis.fail("describe_stream_summary", None, *["LimitExceededException"] * 1000)
    reader = reader_of(kinesis, clock, follow=True)
    for record in reader:
        number = int(record.data)
        if number < 40:
            put(kinesis, range(number + 5, number + 6))
            clock.advance(1)
        else:
            reader.stop()
    assert clock.now() < 60
