import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from streaming.aggregation import AGGREGATE_MAGIC
from streaming.errors import StreamError, StreamUnavailable
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, StartingPosition
from streaming.reader.shard_reader import StreamRecord
from streaming.reader.stream_reader import StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.kpl_aggregation import (
    DAMAGED_AGGREGATES,
    DAMAGED_ENTRIES,
    aggregate_of,
    entry,
    field,
)

FIRST = "shardId-000000000000"


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName="rides", ShardCount=2)
    return kinesis


def reader_of(kinesis: FakeKinesis, clock: Clock, **options: Any) -> StreamReader:
    parts: dict[str, Any] = {"clock": clock.now, "sleep": clock.sleep, "now": clock.utc}
    return StreamReader(kinesis, "rides", **({"follow": False} | parts | options))


def put(kinesis: FakeKinesis, numbers: range) -> None:
    """Put numbers on the stream, with seven partition keys, which map to both shards."""
    for number in numbers:
        kinesis.put("rides", f"key {number % 7}", b"%d" % number)


def numbers_in(reader: StreamReader) -> list[int]:
    return [int(record.data) for record in reader]


def test_all_shards_are_read_to_their_tips(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(50))
    reader = reader_of(kinesis, clock, limit=4)
    assert sorted(numbers_in(reader)) == list(range(50))
    assert numbers_in(reader) == []
    put(kinesis, range(50, 60))
    assert sorted(numbers_in(reader)) == list(range(50, 60))


def test_predictions_of_two_models_for_one_event_are_not_duplicates(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    predictions = [
        json.dumps({"event_id": "shard:1", "model": model}).encode()
        for model in ("ride_duration_prediction_model", "ride_tip_prediction_model")
    ]
    kinesis.put("rides", "k", *predictions, *predictions)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == predictions
    assert reader.duplicates == 2


def test_each_partition_key_is_in_order_across_splits_and_merges(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    for start in range(0, 200, 50):
        put(kinesis, range(start, start + 50))
        kinesis.split("rides", kinesis.open_shards("rides")[0].shard_id)
        low, high = kinesis.open_shards("rides")[1:3]
        kinesis.merge_shards(
            StreamName="rides", ShardToMerge=low.shard_id, AdjacentShardToMerge=high.shard_id
        )
    read = numbers_in(reader_of(kinesis, clock, limit=3))
    assert sorted(read) == list(range(200))
    for key in range(7):
        of_key = [number for number in read if number % 7 == key]
        assert of_key == sorted(of_key)


def test_child_shards_are_read_even_if_they_are_not_listed_yet(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.split("rides", FIRST)
    put(kinesis, range(20))
    kinesis.unlisted = {"shardId-000000000002", "shardId-000000000003"}
    assert sorted(numbers_in(reader_of(kinesis, clock))) == list(range(20))


def test_a_throttled_shard_does_not_block_the_others(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(20))
    kinesis.fail("get_records", "ProvisionedThroughputExceededException")
    record = next(iter(reader_of(kinesis, clock)))
    assert record.shard_id != FIRST
    assert clock.now() == 0


def test_a_shard_whose_parent_shards_have_expired_is_read(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(5))
    kinesis.split("rides", FIRST)
    clock.advance(25 * 3600)
    put(kinesis, range(5, 10))
    assert sorted(numbers_in(reader_of(kinesis, clock))) == list(range(5, 10))


def test_latest_reads_the_records_that_arrive_after_open(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(10))
    kinesis.split("rides", FIRST)
    reader = reader_of(kinesis, clock, start=LATEST)
    reader.open()
    put(kinesis, range(10, 20))
    kinesis.split("rides", kinesis.open_shards("rides")[0].shard_id)
    put(kinesis, range(20, 30))
    assert sorted(numbers_in(reader)) == list(range(10, 30))


def test_a_timestamp_reads_the_records_that_arrived_since(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(10))
    clock.advance(60)
    start = StartingPosition.at(clock.utc())
    put(kinesis, range(10, 20))
    assert sorted(numbers_in(reader_of(kinesis, clock, start=start))) == list(range(10, 20))


def test_a_saved_position_resumes_after_the_last_record_processed(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(20))
    kinesis.split("rides", FIRST)
    put(kinesis, range(20, 40))
    first = reader_of(kinesis, clock, limit=8)
    assert first.position == {}
    before = [int(record.data) for record in islice(first, 23)]
    first.checkpoint()
    saved = json.loads(json.dumps(first.position))
    after = numbers_in(reader_of(kinesis, clock, saved=saved))
    assert sorted(before + after) == list(range(40))


def test_the_record_in_the_loop_is_read_again_if_the_loop_fails(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(20))
    first = reader_of(kinesis, clock)
    read: list[int] = []

    def process(record: StreamRecord) -> None:
        if len(read) == 5:
            raise BrokenPipeError
        read.append(int(record.data))

    with pytest.raises(BrokenPipeError):
        deque(map(process, first))
    after = numbers_in(reader_of(kinesis, clock, saved=first.position))
    assert sorted(read + after) == list(range(20))


def test_requesting_the_next_record_counts_this_one_as_processed_in_another_iteration_too(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(20))
    first = reader_of(kinesis, clock)
    read = [int(next(iter(first)).data) for _ in range(3)]
    after = numbers_in(reader_of(kinesis, clock, saved=first.position))
    assert sorted(read[:2] + after) == list(range(20))


def test_a_reader_at_latest_without_records_resumes_at_the_time_it_started(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(10))
    clock.advance(1)
    first = reader_of(kinesis, clock, start=LATEST)
    assert numbers_in(first) == []
    clock.advance(600)
    put(kinesis, range(10, 20))
    resumed = reader_of(kinesis, clock, start=LATEST, saved=first.position)
    assert sorted(numbers_in(resumed)) == list(range(10, 20))


@pytest.mark.parametrize("expired", [False, True])
def test_latest_goes_by_kinesis_time_so_that_a_clock_ahead_skips_nothing(
    kinesis: FakeKinesis, clock: Clock, *, expired: bool
) -> None:
    def ahead() -> datetime:
        return clock.utc() + timedelta(seconds=30)

    put(kinesis, range(10))
    clock.advance(1)
    reader = reader_of(kinesis, clock, start=LATEST, now=ahead)
    reader.open()
    put(kinesis, range(10, 20))
    clock.advance(301)
    if not expired:
        reader = reader_of(kinesis, clock, saved=reader.position, now=ahead)
    assert sorted(numbers_in(reader)) == list(range(10, 20))


def test_a_resumed_reader_reads_a_child_shard_from_its_beginning(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(10))
    first = reader_of(kinesis, clock)
    before = numbers_in(first)
    kinesis.split("rides", FIRST)
    put(kinesis, range(10, 20))
    clock.advance(60)
    start = StartingPosition.at(clock.utc())
    after = numbers_in(reader_of(kinesis, clock, start=start, saved=first.position))
    assert sorted(before + after) == list(range(20))


def test_a_shard_that_expires_while_it_is_read_does_not_end_the_others(
    kinesis: FakeKinesis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    put(kinesis, range(20))
    reader = reader_of(kinesis, clock, limit=1)
    assert next(iter(reader)).shard_id == FIRST
    kinesis.split("rides", FIRST)
    clock.advance(25 * 3600)
    put(kinesis, range(20, 40))
    assert sorted(numbers_in(reader)) == list(range(20, 40))
    assert [message for message in caplog.messages if FIRST in message] == [
        f"{FIRST} has expired; last position: {10**56 - 2}"
    ]


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
    with pytest.raises(StreamError, match=r"Stream rides under account .* not found"):
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


def test_leaving_the_loop_loses_no_record(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(20))
    reader = reader_of(kinesis, clock)
    first = [int(record.data) for record in islice(reader, 3)]
    assert sorted(first + numbers_in(reader)) == list(range(20))


def test_stop_ends_the_loop_after_the_current_record(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(20))
    reader = reader_of(kinesis, clock, follow=True)
    read = []
    for record in reader:
        read.append(int(record.data))
        if len(read) == 3:
            reader.stop()
    after = numbers_in(reader_of(kinesis, clock, saved=reader.position))
    assert sorted(read + after) == list(range(20))


def test_following_waits_for_new_records_until_it_is_stopped(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    stopped = threading.Event()

    def sleep(seconds: float) -> bool:
        clock.sleep(seconds)
        arrived = int(clock.now())
        if arrived == 5:
            stopped.set()
        elif len(kinesis.payloads("rides")) < arrived:
            put(kinesis, range(arrived - 1, arrived))
        return stopped.is_set()

    reader = reader_of(kinesis, clock, follow=True, stopped=stopped, sleep=sleep)
    assert numbers_in(reader) == [0, 1, 2, 3]


def test_another_thread_can_stop_a_reader_that_waits_at_the_tip(kinesis: FakeKinesis) -> None:
    stopped = threading.Event()
    reader = StreamReader(kinesis, "rides", stopped=stopped)
    read: list[object] = []
    thread = threading.Thread(target=lambda: read.extend(reader))
    thread.start()
    stopped.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert read == []


def test_following_a_stream_without_shards_to_read_lists_its_shards_every_second(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    finished = dict.fromkeys([FIRST, "shardId-000000000001"], "FINISHED")

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now() == 3:
            reader.stop()

    reader = reader_of(kinesis, clock, follow=True, saved=finished, sleep=sleep)
    assert numbers_in(reader) == []
    assert clock.sleeps == [1, 1, 1]


def test_equal_event_ids_of_two_input_streams_are_two_events(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    predictions = [
        json.dumps({"event_id": f"shard:{number}", "model": "m", "stream": stream}).encode()
        for stream in ("rides_north", "rides_south")
        for number in range(100)
    ]
    kinesis.put("rides", "k", *predictions, *predictions)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == predictions
    assert reader.duplicates == 200


@pytest.mark.parametrize("event_id", ["shardId-000000000000:1", "a"])
def test_duplicates_are_dropped_and_counted(
    kinesis: FakeKinesis, clock: Clock, event_id: str
) -> None:
    data = json.dumps({"event_id": event_id, "prediction": {"ride_id": 256}}).encode()
    kinesis.put("rides", "256", data, data)
    kinesis.put("rides", "257", data)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == [data]
    assert reader.duplicates == 2


@pytest.mark.parametrize(
    "data",
    [
        b'{"event_id": null}',
        b'{"event_id": 7}',
        b'{"ride_id": 256}',
        b'["event_id"]',
        b"no JSON",
        b'{"event_id": "\xff"}',
        b"\x1f\x8b",
        b'{"event_id": ' + b"[" * 5000,
        b"",
    ],
)
def test_records_without_an_event_id_are_not_deduplicated(
    kinesis: FakeKinesis, clock: Clock, data: bytes
) -> None:
    kinesis.put("rides", "256", data, data)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == [data, data]
    assert reader.duplicates == 0


def test_duplicates_are_recognised_only_within_the_window(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    for name in "abcab":
        kinesis.put("rides", "256", json.dumps({"event_id": name}).encode())
    wide, narrow = (reader_of(kinesis, clock, duplicate_window=size) for size in (3, 2))
    assert len(list(wide)) == 3
    assert len(list(narrow)) == 5


def test_aggregated_records_are_opened(kinesis: FakeKinesis, clock: Clock) -> None:
    kinesis.put("rides", "a", b"1", aggregate_of("b", [entry(b"2"), entry(b"3")]), b"4")

    records = list(reader_of(kinesis, clock))

    assert [(r.partition_key, r.data) for r in records] == [
        ("a", b"1"),
        ("b", b"2"),
        ("b", b"3"),
        ("a", b"4"),
    ]
    parent = records[1].event_id.removesuffix(":0")
    assert [r.event_id for r in records[1:3]] == [f"{parent}:0", f"{parent}:1"]
    assert parent == f"{records[2].shard_id}:{records[2].sequence_number}"


def test_duplicates_are_dropped_inside_aggregated_records_too(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    first, second = (json.dumps({"event_id": f"shard:{n}"}).encode() for n in (1, 2))
    kinesis.put("rides", "k", first, aggregate_of("k", [entry(first), entry(second)]))
    reader = reader_of(kinesis, clock)

    assert [record.data for record in reader] == [first, second]
    assert reader.duplicates == 1


@pytest.mark.parametrize(
    "data",
    [
        *(write(b'{"event_id":"shard:1"}') for write in DAMAGED_AGGREGATES.values()),
        AGGREGATE_MAGIC + b"not an aggregate",
    ],
)
def test_a_damaged_aggregated_record_is_returned_as_it_is(
    kinesis: FakeKinesis, clock: Clock, data: bytes
) -> None:
    kinesis.put("rides", "k", data)

    assert [r.data for r in reader_of(kinesis, clock)] == [data]


@pytest.mark.parametrize("write", DAMAGED_ENTRIES.values())
def test_a_damaged_entry_does_not_lose_the_others(
    kinesis: FakeKinesis, clock: Clock, write: Callable[[bytes], bytes]
) -> None:
    damaged = write(b"1")
    data = aggregate_of("b", [entry(b"0"), field(3, damaged), entry(b"2")])
    kinesis.put("rides", "a", data)

    records = list(reader_of(kinesis, clock))

    assert [(r.partition_key, r.data) for r in records] == [
        ("b", b"0"),
        ("a", damaged),
        ("b", b"2"),
    ]


def test_an_aggregated_record_is_processed_when_its_last_entry_is(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"0", aggregate_of("k", [entry(b"1"), entry(b"2")]), b"3")
    reader = reader_of(kinesis, clock)
    resumed = []
    for _ in zip(reader, range(4), strict=False):
        reader.checkpoint()
        resumed.append(numbers_in(reader_of(kinesis, clock, saved=reader.position)))

    assert resumed == [[1, 2, 3], [1, 2, 3], [3], []]


def test_leaving_the_loop_within_an_aggregated_record_loses_no_entry(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", aggregate_of("k", [entry(b"0"), entry(b"1"), entry(b"2")]), b"3")
    reader = reader_of(kinesis, clock)

    assert [int(record.data) for record in islice(reader, 2)] == [0, 1]
    assert numbers_in(reader) == [2, 3]
    assert numbers_in(reader_of(kinesis, clock, saved=reader.position)) == []


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


def test_listing_is_retried_with_exponential_backoff(kinesis: FakeKinesis, clock: Clock) -> None:
    finished = dict.fromkeys([FIRST, "shardId-000000000001"], "FINISHED")
    reader = reader_of(kinesis, clock, saved=finished, jitter=lambda: 1.0)
    for _ in range(2):
        kinesis.fail("list_shards", None, *["LimitExceededException"] * 4)
        assert numbers_in(reader) == []
        assert numbers_in(reader) == []
    assert clock.sleeps == pytest.approx([0.1, 0.2, 0.4, 0.8] * 2)


@pytest.fixture
def moto_client() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("kinesis", region_name="us-east-1")


def test_a_stream_is_read_through_boto3(moto_client: Any, clock: Clock) -> None:
    moto_client.create_stream(StreamName="rides", ShardCount=3)
    for number in range(30):
        moto_client.put_record(
            StreamName="rides", PartitionKey=f"key {number}", Data=b"%d" % number
        )
    reader = reader_of(moto_client, clock, start=TRIM_HORIZON, limit=4)
    assert sorted(numbers_in(reader)) == list(range(30))
    assert numbers_in(reader_of(moto_client, clock, start=LATEST)) == []
    assert numbers_in(reader_of(moto_client, clock, saved=reader.position)) == []
    with pytest.raises(StreamError, match=r"'nowhere'.*not found"):
        list(StreamReader(moto_client, "nowhere"))


class Scenario:
    """A stream and a reader, and the actions that happen to them, each with a random number."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName="rides", ShardCount=2)
        self.kinesis.page_size = 2
        self.reader = reader_of(self.kinesis, self.clock, limit=3)
        self.records = 0
        self.lost: set[int] = set()
        self.processed: list[tuple[str, int]] = []

    def put(self, number: int) -> None:
        self.kinesis.put("rides", f"key {number % 5}", b"%d" % self.records)
        self.records += 1

    def split(self, number: int) -> None:
        shards = self.kinesis.open_shards("rides")
        self.kinesis.split("rides", shards[number % len(shards)].shard_id)

    def merge(self, number: int) -> None:
        shards = self.kinesis.open_shards("rides")
        if chosen := number % len(shards):
            self.kinesis.merge_shards(
                StreamName="rides",
                ShardToMerge=shards[chosen].shard_id,
                AdjacentShardToMerge=shards[chosen - 1].shard_id,
            )

    def fail(self, number: int) -> None:
        # Not DescribeStreamSummary: until a stream is known to be another one, it is read further.
        operations = ("get_records", "get_shard_iterator", "list_shards")
        self.kinesis.fail(operations[number % 3], "LimitExceededException")

    def read_nothing(self, _: int) -> None:
        self.kinesis.empty_reads += 1

    def expire_iterators(self, _: int) -> None:
        self.clock.advance(301)

    def trim(self, _: int) -> None:
        self.clock.advance(25 * 3600)
        self.lost.update(range(self.records))

    def create_again(self, _: int) -> None:
        self.kinesis.create_again("rides")
        self.lost.update(range(self.records))

    def restart(self, _: int) -> None:
        """End while a record is being processed, and resume from the saved position."""
        with suppress(StreamUnavailable):
            next(iter(self.reader), None)
        saved = json.loads(json.dumps(self.reader.position))
        self.reader = reader_of(self.kinesis, self.clock, limit=3, saved=saved)

    def read(self, limit: int | None) -> None:
        try:
            for record in islice(self.reader, limit):
                self.processed.append((record.partition_key, int(record.data)))
                self.reader.checkpoint()
        except StreamUnavailable:
            self.read(limit)  # the first calls failed; retry


ORDINARY = ["put", "put", "put", "read", "read", "split", "merge", "restart"]
FAULTS = ["fail", "read_nothing", "expire_iterators", "trim", "create_again"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*ORDINARY, *FAULTS]), st.integers(0, 9)),
        min_size=20,
        max_size=100,
    )
)
def test_each_record_is_read_once_and_each_partition_key_in_order_whatever_happens(
    steps: list[tuple[str, int]],
) -> None:
    scenario = Scenario()
    for action, number in steps:
        getattr(scenario, action)(number)
    scenario.read(None)
    processed = [number for _, number in scenario.processed]
    assert len(processed) == len(set(processed))
    assert scenario.lost.union(processed) == set(range(scenario.records))
    for key in {key for key, _ in scenario.processed}:
        of_key = [number for its_key, number in scenario.processed if its_key == key]
        assert of_key == sorted(of_key)
