"""Across reshards and failures, each record ends once and each partition key in order."""

import base64
import itertools
import json
import threading
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.event_source_mapping.mapping import EventSourceMapping
from local.event_source_mapping.on_failure_destination import InvocationRecord
from tests.local.event_source_mapping.mapping_fixtures import RAISES, failed
from tests.local.event_source_mapping.running_mapping import (
    STREAM,
    MappingFixture,
    eventually,
)

Ended = list[tuple[str, int]]
"""Partition key and number of each record, in the order in which they were done or discarded."""


class FunctionWithOutcomes:
    """A function whose responses follow a list of outcomes, and then are success."""

    def __init__(self, outcomes: list[str], ended: Ended) -> None:
        self._outcomes = outcomes
        self._ended = ended
        self._lock = threading.Lock()

    def invoke(self, payload: bytes) -> bytes:
        records = json.loads(payload)["Records"]
        identifiers = [record["kinesis"]["sequenceNumber"] for record in records]
        with self._lock:
            outcome = self._outcomes.pop() if self._outcomes else "success"
            failures = {"first": identifiers[0], "last": identifiers[-1], "malformed": ""}
            done = {"success": len(records), "last": len(records) - 1}.get(outcome, 0)
            self._ended.extend(contents(records[:done]))
        if outcome == "raise":
            raise RAISES
        response = failed(failures[outcome]) if outcome in failures else failed()
        return json.dumps(response).encode()

    def close(self) -> None:
        """Release nothing."""


class RecordingDestination:
    """A destination that records what is discarded."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended

    def send(self, record: InvocationRecord) -> None:
        content = json.loads(record.content())
        self._ended.extend(contents(json.loads(content["payload"])["Records"]))


def contents(records: list[dict[str, Any]]) -> Ended:
    kinesis = [record["kinesis"] for record in records]
    return [(each["partitionKey"], int(base64.b64decode(each["data"]))) for each in kinesis]


def fill(fixture: MappingFixture, steps: list[str]) -> int:
    """Put records, split and merge; return the number of records."""
    numbers = itertools.count(1)
    count = 0
    for step in steps:
        shards = fixture.kinesis.open_shards(STREAM)
        if step == "put":
            count += len([fixture.put(key, b"%d" % next(numbers)) for key in "abcdef"])
        elif step == "split" and len(shards) < 4:
            fixture.kinesis.split(STREAM, shards[0].shard_id)
        elif step == "merge" and len(shards) > 1:
            fixture.kinesis.merge_shards(
                StreamName=STREAM,
                ShardToMerge=shards[0].shard_id,
                AdjacentShardToMerge=shards[1].shard_id,
            )
    return count


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["put", "put", "put", "split", "merge"]), max_size=12),
    outcomes=st.lists(st.sampled_from(["success", "raise", "malformed", "first", "last"])),
    bisect=st.booleans(),
    retries=st.integers(0, 2),
    factor=st.integers(1, 3),
)
def test_across_reshards_and_failures_each_record_ends_once_and_each_key_in_order(
    *, steps: list[str], outcomes: list[str], bisect: bool, retries: int, factor: int
) -> None:
    fixture = MappingFixture()
    ended: Ended = []
    count = fill(fixture, steps)

    mapping = fixture.map(
        FunctionWithOutcomes(outcomes, ended),
        destination=RecordingDestination(ended),
        batch_size=4,
        bisect_batch_on_function_error=bisect,
        maximum_retry_attempts=retries,
        parallelization_factor=factor,
        function_response_types=("ReportBatchItemFailures",),
    )
    eventually(lambda: mapping.failure is not None or finished(mapping) == count)
    fixture.close()

    assert mapping.failure is None
    assert sorted(number for _, number in ended) == list(range(1, count + 1))
    for key in "abcdef":
        numbers = [number for each, number in ended if each == key]
        assert numbers == sorted(numbers)


def finished(mapping: EventSourceMapping) -> int:
    snapshot = mapping.snapshot()
    return snapshot.records_done + snapshot.records_discarded
