import json
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from streaming.errors import StreamError, StreamUnavailable
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, StartingPosition
from streaming.reader.stream_reader import StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

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


def test_a_saved_position_resumes_after_the_last_record_returned(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(20))
    kinesis.split("rides", FIRST)
    put(kinesis, range(20, 40))
    first = reader_of(kinesis, clock, limit=8)
    assert first.position == {}
    before = [int(record.data) for record in islice(first, 23)]
    saved = json.loads(json.dumps(first.position))
    after = numbers_in(reader_of(kinesis, clock, saved=saved))
    assert sorted(before + after) == list(range(40))


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
    """A stream and a reader, and the actions that happen to them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName="rides", ShardCount=2)
        self.kinesis.page_size = 2
        self.reader = reader_of(self.kinesis, self.clock, limit=3)
        self.records = 0
        self.read: list[tuple[str, int]] = []

    def step(self, action: str, number: int) -> None:
        shards = [shard.shard_id for shard in self.kinesis.open_shards("rides")]
        chosen = number % len(shards)
        if action == "put":
            self.kinesis.put("rides", f"key {number % 5}", b"%d" % self.records)
            self.records += 1
        elif action == "split":
            self.kinesis.split("rides", shards[chosen])
        elif action == "merge" and chosen:
            self.kinesis.merge_shards(
                StreamName="rides",
                ShardToMerge=shards[chosen],
                AdjacentShardToMerge=shards[chosen - 1],
            )
        elif action == "fail":
            operation = ("get_records", "get_shard_iterator", "list_shards")[number % 3]
            self.kinesis.fail(operation, "LimitExceededException")
        elif action == "empty read":
            self.kinesis.empty_reads += 1
        elif action == "expire iterators":
            self.clock.advance(301)
        elif action == "resume":
            saved = json.loads(json.dumps(self.reader.position))
            self.reader = reader_of(self.kinesis, self.clock, limit=3, saved=saved)
        elif action == "read":
            self.read_some(number)

    def read_some(self, limit: int | None = None) -> None:
        try:
            for record in islice(self.reader, limit):
                self.read.append((record.partition_key, int(record.data)))
        except StreamUnavailable:
            self.read_some(limit)  # the first ListShards failed; retry


ACTIONS = ["put", "split", "merge", "fail", "empty read", "expire iterators", "resume", "read"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*ACTIONS, "put", "put", "read"]), st.integers(0, 9)),
        min_size=20,
        max_size=100,
    )
)
def test_each_record_is_read_once_and_each_partition_key_in_order_whatever_happens(
    steps: list[tuple[str, int]],
) -> None:
    scenario = Scenario()
    for action, number in steps:
        scenario.step(action, number)
    scenario.read_some()
    assert sorted(number for _, number in scenario.read) == list(range(scenario.records))
    for key in {key for key, _ in scenario.read}:
        of_key = [number for its_key, number in scenario.read if its_key == key]
        assert of_key == sorted(of_key)
