"""Which records a reader returns, in which order, and when it waits or stops."""

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import boto3
import pytest
from moto import mock_aws

from streaming.errors import StreamError
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, StartingPosition
from streaming.reader.stream_reader import StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.streaming.reader.reader_fixtures import FIRST, numbers_in, put, reader_of


def test_all_shards_are_read_to_their_tips(kinesis: FakeKinesis, clock: Clock) -> None:
    put(kinesis, range(50))
    reader = reader_of(kinesis, clock, limit=4)
    assert sorted(numbers_in(reader)) == list(range(50))
    assert numbers_in(reader) == []
    put(kinesis, range(50, 60))
    assert sorted(numbers_in(reader)) == list(range(50, 60))


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


def test_a_program_that_takes_longer_than_a_read_interval_never_waits(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(20))
    for _ in reader_of(kinesis, clock, saved={FIRST: "FINISHED"}, limit=1):
        clock.advance(1)
    assert clock.sleeps == []


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
    with pytest.raises(StreamError, match="'nowhere': ResourceNotFoundException "):
        list(StreamReader(moto_client, "nowhere"))
