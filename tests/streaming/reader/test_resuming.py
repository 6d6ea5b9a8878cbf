"""Where a reader resumes: after the last record that was processed."""

import json
from collections import deque
from datetime import datetime, timedelta
from itertools import islice

import pytest

from streaming.reader.checkpoints import LATEST, StartingPosition
from streaming.reader.shard_reader import StreamRecord
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.streaming.reader.reader_fixtures import FIRST, numbers_in, put, reader_of


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


def test_a_shard_stays_finished_after_its_last_record_was_processed(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    put(kinesis, range(10))
    parents = [shard.shard_id for shard in kinesis.open_shards("rides")]
    for shard_id in parents:
        kinesis.split("rides", shard_id)
    reader = reader_of(kinesis, clock)
    assert len(numbers_in(reader)) == 10
    reader.checkpoint()
    assert [reader.position[shard_id] for shard_id in parents] == ["FINISHED", "FINISHED"]
