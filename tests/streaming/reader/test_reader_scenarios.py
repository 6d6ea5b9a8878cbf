"""Whatever happens to a stream and its reader, each record is read once, each key in order."""

import json
from contextlib import suppress
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import StreamUnavailable
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.streaming.reader.reader_fixtures import reader_of


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
