"""What a stop waits for, and where the mapping resumes when it is started again."""

import threading
from datetime import timedelta

import pytest

from streaming.reader.checkpoints import LATEST
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


def test_a_stop_with_a_timeout_does_not_wait_for_a_function_that_hangs(
    fixture: MappingFixture,
) -> None:
    fixture.put("key", b"ride")
    function = Blocking()
    mapping = fixture.map(function)
    assert function.entered.acquire(timeout=20)

    mapping.stop(timeout=0.0)

    assert mapping.snapshot().records_done == 0
    function.released.set()


def test_a_stop_does_not_wait_for_a_batch_that_always_fails(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    mapping = fixture.map(ScriptedFunction(otherwise=lambda _: RAISES))
    eventually(lambda: mapping.snapshot().retries > 0)

    mapping.stop()

    assert mapping.snapshot().records_done == 0


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


@pytest.mark.parametrize("clock_ahead", [timedelta(), timedelta(seconds=30)])
def test_a_mapping_from_latest_misses_nothing_that_is_put_while_it_is_stopped(
    fixture: MappingFixture, clock_ahead: timedelta
) -> None:
    fixture.clock_ahead = clock_ahead
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
