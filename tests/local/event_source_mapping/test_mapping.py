import base64
import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.errors import FunctionError
from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.mapping import EventSourceMapping, Timing
from local.event_source_mapping.on_failure_destination import InvocationRecord, StorageDestination
from streaming.errors import SettingsError, StreamError
from streaming.reader.checkpoints import FINISHED, LATEST, StartingPosition
from streaming.storage import FolderStorage
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.local.event_source_mapping.mapping_fixtures import ScriptedFunction, failed

STREAM = "ride_events"
SHARD = "shardId-000000000000"
RAISES = FunctionError("LookupError", "no such zone")


class MappingFixture:
    """A stream, a clock, and the mappings of one test."""

    def __init__(self, shards: int = 1) -> None:
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=shards)
        self._mappings: list[EventSourceMapping] = []

    def map(
        self, function: Any, *, destination: Any = None, **parameters: Any
    ) -> EventSourceMapping:
        timing = Timing(
            clock=self.clock.now, now=self.clock.utc, wait=self._wait, jitter=lambda: 1.0
        )
        mapping = EventSourceMapping(
            self.kinesis,
            STREAM,
            function,
            EventSourceMappingConfiguration(**parameters),
            destination=destination,
            timing=timing,
        )
        self._mappings.append(mapping)
        mapping.start()
        return mapping

    def put(self, key: str, *payloads: bytes) -> list[int]:
        return [int(number) for number in self.kinesis.put(STREAM, key, *payloads)]

    def close(self) -> None:
        for mapping in self._mappings:
            mapping.stop()

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        # All threads share the clock; a little real time lets the others run.
        self.clock.sleep(seconds)
        return event.wait(0.001)


@pytest.fixture
def fixture() -> Iterator[MappingFixture]:
    fixture = MappingFixture()
    yield fixture
    fixture.close()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


def done(mapping: EventSourceMapping, records: int) -> None:
    eventually(lambda: mapping.failure is not None or mapping.snapshot().records_done == records)
    assert mapping.failure is None


def test_records_reach_the_function_in_order_in_batches(fixture: MappingFixture) -> None:
    sent = fixture.put("key", *[b"ride"] * 5)
    function = ScriptedFunction()

    mapping = fixture.map(function, batch_size=2)
    done(mapping, 5)

    assert function.invocations == [sent[:2], sent[2:4], sent[4:]]
    assert mapping.snapshot().checkpoints == {SHARD: str(sent[-1])}


def test_records_put_later_reach_the_function_too(fixture: MappingFixture) -> None:
    function = ScriptedFunction()
    mapping = fixture.map(function)

    first = fixture.put("key", b"ride")
    done(mapping, 1)
    second = fixture.put("key", b"ride")
    done(mapping, 2)

    assert function.invocations == [first, second]


def test_latest_skips_earlier_records(fixture: MappingFixture) -> None:
    fixture.put("key", b"before")
    function = ScriptedFunction()
    mapping = fixture.map(function, starting_position=LATEST)

    after = fixture.put("key", b"after")
    done(mapping, 1)

    assert function.invocations == [after]


def test_a_timestamp_skips_earlier_records(fixture: MappingFixture) -> None:
    fixture.put("key", b"before")
    fixture.clock.advance(60)
    start = StartingPosition.at(fixture.clock.utc())
    after = fixture.put("key", b"after")
    function = ScriptedFunction()

    done(fixture.map(function, starting_position=start), 1)

    assert function.invocations == [after]


def test_discarded_records_do_not_block_the_next(fixture: MappingFixture, tmp_path: Any) -> None:
    sent = fixture.put("key", *[b"ride"] * 4)
    function = ScriptedFunction(RAISES, RAISES)

    mapping = fixture.map(
        function,
        batch_size=2,
        maximum_retry_attempts=1,
        destination=StorageDestination(FolderStorage(tmp_path)),
    )
    done(mapping, 2)

    assert function.invocations == [sent[:2], sent[:2], sent[2:]]
    assert mapping.snapshot().records_discarded == 2
    assert len(list(tmp_path.glob(f"aws/lambda/*/{SHARD}/2025/03/01/*"))) == 1
    assert mapping.snapshot().checkpoints == {SHARD: str(sent[-1])}


def test_a_failing_batch_holds_the_checkpoint(fixture: MappingFixture) -> None:
    sent = fixture.put("key", b"good", b"bad")
    function = ScriptedFunction(failed(str(sent[1])), otherwise=lambda _: RAISES)

    mapping = fixture.map(function, function_response_types=("ReportBatchItemFailures",))
    eventually(lambda: mapping.snapshot().retries > 3)

    assert mapping.snapshot().checkpoints == {SHARD: str(sent[0])}
    assert mapping.snapshot().records_done == 1


def test_after_a_split_the_children_wait_for_the_parent(fixture: MappingFixture) -> None:
    before = fixture.put("key", b"ride", b"ride")
    function = ScriptedFunction(RAISES, RAISES, RAISES)
    fixture.kinesis.split(STREAM, SHARD)
    after = fixture.put("key", b"ride", b"ride")

    mapping = fixture.map(function)
    done(mapping, 4)

    assert function.invocations == [before] * 4 + [after]
    assert mapping.snapshot().checkpoints[SHARD] == FINISHED


def test_after_a_merge_the_child_waits_for_both_parents() -> None:
    fixture = MappingFixture(shards=2)
    first, second = (shard.shard_id for shard in fixture.kinesis.open_shards(STREAM))
    keys = ["a", "b", "c", "d"]
    before = {number for key in keys for number in fixture.put(key, b"ride")}
    fixture.kinesis.merge_shards(StreamName=STREAM, ShardToMerge=first, AdjacentShardToMerge=second)
    after = {number for key in keys for number in fixture.put(key, b"ride")}
    attempts: defaultdict[str, int] = defaultdict(int)

    class SlowOnOneParent(ScriptedFunction):
        def invoke(self, payload: bytes) -> bytes:
            if second.encode() in payload:
                attempts[second] += 1
                if attempts[second] < 5:
                    raise RAISES
            return super().invoke(payload)

    function = SlowOnOneParent()
    done(fixture.map(function), 8)
    fixture.close()

    arrived = [number for invocation in function.invocations for number in invocation]
    assert set(arrived[:4]) == before
    assert set(arrived[4:]) == after
    assert attempts[second] == 5


def test_child_shards_are_found_although_list_shards_is_throttled(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.kinesis.split(STREAM, SHARD)
    fixture.put("key", b"ride")
    fixture.kinesis.fail("list_shards", None, "LimitExceededException", "LimitExceededException")

    done(fixture.map(ScriptedFunction()), 2)


def test_child_shards_are_found_although_list_shards_lags_behind(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.kinesis.split(STREAM, SHARD)
    fixture.put("key", b"ride")
    fixture.kinesis.unlisted = {shard.shard_id for shard in fixture.kinesis.open_shards(STREAM)}

    done(fixture.map(ScriptedFunction()), 2)


def test_a_shard_that_was_read_to_its_end_uses_no_memory(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.kinesis.split(STREAM, SHARD)
    children = {shard.shard_id for shard in fixture.kinesis.open_shards(STREAM)}

    mapping = fixture.map(ScriptedFunction())

    eventually(lambda: mapping._workers.keys() == children)


def test_a_partition_key_with_a_lone_surrogate_is_processed(fixture: MappingFixture) -> None:
    fixture.put("lone surrogate: \ud800", b"ride")
    fixture.put("key", b"ride")

    done(fixture.map(ScriptedFunction(), parallelization_factor=2), 2)


class Blocking(ScriptedFunction):
    """A function that waits in each invocation until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()

    def invoke(self, payload: bytes) -> bytes:
        self.entered.release()
        assert self.released.wait(20)
        return super().invoke(payload)


def test_batches_of_one_shard_are_concurrent_with_a_parallelization_factor(
    fixture: MappingFixture,
) -> None:
    for key in range(20):
        fixture.put(f"key {key}", b"1", b"2", b"3")
    function = Blocking()

    mapping = fixture.map(function, parallelization_factor=3, batch_size=4)
    for _ in range(3):
        assert function.entered.acquire(timeout=20)
    function.released.set()
    done(mapping, 60)

    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for event in function.events:
        for record in event["Records"]:
            kinesis = record["kinesis"]
            sequences[kinesis["partitionKey"]].append(int(kinesis["sequenceNumber"]))
    assert all(numbers == sorted(numbers) for numbers in sequences.values())


def test_a_stop_waits_for_the_invocation_in_progress(fixture: MappingFixture) -> None:
    sent = fixture.put("key", b"1", b"2")
    function = Blocking()
    mapping = fixture.map(function, batch_size=1)
    assert function.entered.acquire(timeout=20)

    stopping = threading.Thread(target=mapping.stop)
    stopping.start()
    function.released.set()
    stopping.join(20)

    assert not stopping.is_alive()
    assert function.invocations == [sent[:1]]
    assert mapping.snapshot().checkpoints == {SHARD: str(sent[0])}


def test_a_stop_does_not_wait_for_a_batch_that_always_fails(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    mapping = fixture.map(ScriptedFunction(otherwise=lambda _: RAISES))
    eventually(lambda: mapping.snapshot().retries > 0)

    mapping.stop()

    assert mapping.snapshot().records_done == 0


def test_throttling_and_expired_iterators_are_retried(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.kinesis.fail(
        "get_records", "ProvisionedThroughputExceededException", "ExpiredIteratorException"
    )

    done(fixture.map(ScriptedFunction()), 1)


def test_an_unknown_stream_is_an_error_at_the_start() -> None:
    mapping = EventSourceMapping(FakeKinesis(Clock()), "rides", ScriptedFunction())

    with pytest.raises(StreamError, match="cannot read the stream 'rides'"):
        mapping.start()


def test_a_shard_that_cannot_be_read_is_an_error_at_the_start() -> None:
    fixture = MappingFixture(shards=2)
    fixture.kinesis.fail("get_shard_iterator", None, "AccessDeniedException")

    with pytest.raises(StreamError, match="AccessDeniedException"):
        fixture.map(ScriptedFunction(), starting_position=LATEST)


@pytest.mark.parametrize("failing", ["the stream", "the function"])
def test_an_error_that_no_retry_can_fix_stops_the_mapping_and_is_kept(
    fixture: MappingFixture, failing: str
) -> None:
    fixture.put("key", b"ride")
    if failing == "the stream":
        fixture.kinesis.fail("get_records", "AccessDeniedException")
        mapping = fixture.map(ScriptedFunction())
    else:
        mapping = fixture.map(ScriptedFunction(MemoryError("out of memory")))

    eventually(lambda: mapping.failure is not None)
    mapping.stop()

    assert mapping.snapshot().records_done == 0


def test_reading_pauses_while_the_function_is_behind(fixture: MappingFixture) -> None:
    fixture.put("key", *[b"ride"] * 4)
    function = Blocking()
    mapping = fixture.map(function, batch_size=1)
    assert function.entered.acquire(timeout=20)
    fixture.put("key", *[b"ride"] * 4)

    reads = [call for call, _ in fixture.kinesis.calls].count("get_records")
    function.released.set()
    done(mapping, 8)

    assert reads == 1


def test_the_iterator_age_is_the_age_of_the_last_record_sent(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.clock.advance(60)

    mapping = fixture.map(ScriptedFunction())
    done(mapping, 1)
    age = mapping.snapshot().iterator_age_ms

    assert age is not None
    assert age >= timedelta(seconds=60) / timedelta(milliseconds=1)


def test_records_that_match_no_filter_do_not_reach_the_function(fixture: MappingFixture) -> None:
    sent = fixture.put("key", b'{"n": 1}', b'{"n": 2}', b"text", b'{"n": 1}', b'{"n": 2}')
    function = ScriptedFunction()

    mapping = fixture.map(function, filter_criteria=('{"data": {"n": [1]}}',))
    done(mapping, 2)
    eventually(lambda: mapping.snapshot().checkpoints == {SHARD: str(sent[-1])})

    assert function.invocations == [[sent[0], sent[3]]]
    assert mapping.snapshot().records_filtered == 3


def test_one_stream_feeds_two_functions_by_their_filters(fixture: MappingFixture) -> None:
    one, two = fixture.put("key", b'{"n": 1}', b'{"n": 2}')
    functions = [ScriptedFunction(), ScriptedFunction()]

    for number, function in enumerate(functions, 1):
        pattern = json.dumps({"data": {"n": [number]}})
        done(fixture.map(function, filter_criteria=(pattern,)), 1)

    assert [function.invocations for function in functions] == [[[one]], [[two]]]


def test_a_shard_whose_records_are_all_filtered_is_read_to_its_end(
    fixture: MappingFixture,
) -> None:
    fixture.put("key", b"text")
    fixture.kinesis.split(STREAM, SHARD)
    (child,) = fixture.put("key", b"{}")

    mapping = fixture.map(
        ScriptedFunction(), filter_criteria=('{"data": {"n": [{"exists": false}]}}',)
    )
    done(mapping, 1)

    assert mapping.snapshot().checkpoints[SHARD] == FINISHED
    assert str(child) in mapping.snapshot().checkpoints.values()


def test_a_mapping_that_is_stopped_and_started_resumes_after_its_checkpoint(
    fixture: MappingFixture,
) -> None:
    first = fixture.put("key", b"1")
    function = ScriptedFunction()
    mapping = fixture.map(function)
    done(mapping, 1)

    mapping.stop()
    second = fixture.put("key", b"2")
    mapping.start()
    done(mapping, 2)

    assert function.invocations == [first, second]


def test_what_waited_for_a_retry_at_a_stop_is_sent_after_the_start(
    fixture: MappingFixture,
) -> None:
    sent = fixture.put("key", b"1", b"2")
    function = ScriptedFunction(failed(str(sent[1])), otherwise=lambda _: RAISES)
    mapping = fixture.map(function, function_response_types=("ReportBatchItemFailures",))
    eventually(lambda: mapping.snapshot().retries > 0)

    mapping.stop()
    function._otherwise = lambda _: None
    mapping.start()
    done(mapping, 2)

    assert function.invocations[-1] == sent[1:]


def test_a_mapping_from_latest_misses_nothing_that_is_put_while_it_is_stopped(
    fixture: MappingFixture,
) -> None:
    fixture.put("key", b"before")
    fixture.clock.advance(1)
    function = ScriptedFunction()
    mapping = fixture.map(function, starting_position=LATEST)

    mapping.stop()
    between = fixture.put("key", b"between")
    fixture.kinesis.split(STREAM, SHARD)
    after = fixture.put("key", b"after")
    mapping.start()
    done(mapping, 2)

    assert function.invocations == [between, after]


def test_a_failed_mapping_can_be_started_again(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    mapping = fixture.map(ScriptedFunction(MemoryError("out of memory")))
    eventually(lambda: mapping.failure is not None)

    mapping.stop()
    mapping.start()

    done(mapping, 1)


class Summing(ScriptedFunction):
    """A function that counts the records of a tumbling window."""

    def invoke(self, payload: bytes) -> bytes:
        super().invoke(payload)
        event = self.events[-1]
        count = event["state"].get("count", 0) + len(event["Records"])
        return json.dumps({"state": {"count": count}}).encode()

    def totals(self) -> list[int]:
        return [event["state"]["count"] for event in self.events if event["isFinalInvokeForWindow"]]


def test_a_tumbling_window_ends_without_more_records(fixture: MappingFixture) -> None:
    fixture.put("key", b"1", b"2", b"3")
    function = Summing()

    mapping = fixture.map(function, tumbling_window_in_seconds=60, batch_size=2)
    eventually(lambda: function.totals() == [3])

    assert mapping.failure is None


def test_a_tumbling_window_ends_with_its_shard(fixture: MappingFixture) -> None:
    fixture.put("key", b"1", b"2", b"3")
    fixture.kinesis.split(STREAM, SHARD)
    fixture.put("key", b"4")
    function = Summing()

    done(fixture.map(function, tumbling_window_in_seconds=900), 4)

    assert function.totals() == [3]


def test_a_tumbling_window_survives_a_stop(fixture: MappingFixture) -> None:
    fixture.put("key", b"1")
    function = Summing()
    mapping = fixture.map(function, tumbling_window_in_seconds=900)
    done(mapping, 1)

    mapping.stop()
    fixture.put("key", b"2")
    mapping.start()
    done(mapping, 2)

    assert function.events[-1]["state"] == {"count": 1}


def test_a_consumers_arn_is_refused() -> None:
    arn = f"arn:aws:kinesis:us-east-1:123456789012:stream/{STREAM}/consumer/one:1"

    with pytest.raises(SettingsError, match=r"EventSourceArn is .* enhanced fan-out .* not avail"):
        EventSourceMapping(FakeKinesis(Clock()), arn, ScriptedFunction())


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
