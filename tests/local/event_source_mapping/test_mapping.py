"""What a mapping reads from its stream and how it invokes the function."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from local.event_source_mapping.mapping import EventSourceMapping
from local.event_source_mapping.on_failure_destination import StorageDestination
from streaming.errors import SettingsError, StreamError
from streaming.reader.checkpoints import LATEST, StartingPosition
from streaming.storage import FolderStorage
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.local.event_source_mapping.mapping_fixtures import (
    RAISES,
    SHARD,
    ScriptedFunction,
    failed,
)
from tests.local.event_source_mapping.running_mapping import (
    STREAM,
    Blocking,
    MappingFixture,
    done,
    eventually,
)


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


@pytest.mark.parametrize("operation", ["list_shards", "describe_stream_summary"])
def test_a_stream_that_may_not_be_read_is_a_stream_error(
    fixture: MappingFixture, operation: str
) -> None:
    fixture.kinesis.fail(operation, "AccessDeniedException")

    with pytest.raises(StreamError, match="AccessDeniedException"):
        fixture.map(ScriptedFunction())


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


def test_a_partition_key_with_a_lone_surrogate_is_processed(fixture: MappingFixture) -> None:
    fixture.put("lone surrogate: \ud800", b"ride")
    fixture.put("key", b"ride")

    done(fixture.map(ScriptedFunction(), parallelization_factor=2), 2)


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


def test_a_consumers_arn_is_refused() -> None:
    arn = f"arn:aws:kinesis:us-east-1:123456789012:stream/{STREAM}/consumer/one:1"

    with pytest.raises(SettingsError, match=r"EventSourceArn is .* enhanced fan-out .* not avail"):
        EventSourceMapping(FakeKinesis(Clock()), arn, ScriptedFunction())
