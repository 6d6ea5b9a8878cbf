from typing import Any

import pytest

from local.event_source_mapping.batch_buffer import BatchBuffer
from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.invocation_event import PAYLOAD_BYTES, event_payload
from tests.fakes.clock import Clock
from tests.local.event_source_mapping.mapping_fixtures import batch, encoded, numbers, stream_record

MEBIBYTE = 1024 * 1024


def buffer(clock: Clock, **parameters: Any) -> BatchBuffer:
    return BatchBuffer(EventSourceMappingConfiguration(**parameters), clock.now)


def test_without_a_window_a_batch_is_due_as_soon_as_there_is_a_record() -> None:
    waiting = buffer(Clock())

    assert waiting.due_in() is None
    waiting.add(batch(1))
    assert waiting.due_in() == 0
    assert numbers(waiting.take()) == [1]


def test_a_batch_holds_at_most_batch_size_records_in_order() -> None:
    waiting = buffer(Clock(), batch_size=3)
    waiting.add(batch(1, 2))
    waiting.add(batch(3, 4))

    assert [numbers(waiting.take()) for _ in range(3)] == [[1, 2, 3], [4], []]


def test_with_a_window_a_batch_waits_for_it_to_end() -> None:
    clock = Clock()
    waiting = buffer(clock, maximum_batching_window_in_seconds=10)
    waiting.add(batch(1))
    clock.advance(4)
    waiting.add(batch(2))

    assert waiting.due_in() == 6
    assert waiting.take() == []
    clock.advance(6)
    assert numbers(waiting.take()) == [1, 2]


def test_a_full_batch_does_not_wait_for_the_window() -> None:
    waiting = buffer(Clock(), maximum_batching_window_in_seconds=10, batch_size=2)
    waiting.add(batch(1, 2, 3))

    assert numbers(waiting.take()) == [1, 2]
    assert waiting.due_in() == 10


def test_a_window_begins_when_the_invocation_before_it_ends() -> None:
    clock = Clock()
    waiting = buffer(clock, maximum_batching_window_in_seconds=4)
    clock.advance(7)
    waiting.open_window()
    clock.advance(3)
    waiting.add(batch(1))

    assert waiting.due_in() == 1


def test_a_window_that_ends_without_records_is_followed_by_the_next() -> None:
    clock = Clock()
    waiting = buffer(clock, maximum_batching_window_in_seconds=4)
    clock.advance(9)
    waiting.add(batch(1))

    assert waiting.due_in() == 3


def test_records_left_by_a_full_batch_wait_for_the_window_after_its_invocation() -> None:
    clock = Clock()
    waiting = buffer(clock, maximum_batching_window_in_seconds=10, batch_size=2)
    waiting.add(batch(1, 2, 3))
    waiting.take()
    clock.advance(6)
    waiting.open_window()

    assert waiting.due_in() == 10


def test_a_batch_of_six_megabytes_does_not_wait_for_the_window() -> None:
    waiting = buffer(Clock(), maximum_batching_window_in_seconds=10)
    large = [encoded(stream_record(number, data=bytes(MEBIBYTE))) for number in range(5)]

    waiting.add(large[:4])
    assert waiting.due_in() == 10
    waiting.add(large[4:])
    first = waiting.take()

    assert numbers(first) == [0, 1, 2, 3]
    assert len(event_payload(first)) <= PAYLOAD_BYTES < len(event_payload(large))


def test_a_tumbling_window_leaves_room_for_its_state() -> None:
    waiting = buffer(Clock(), tumbling_window_in_seconds=60)
    waiting.add([encoded(stream_record(number, data=bytes(MEBIBYTE))) for number in range(4)])

    assert len(event_payload(waiting.take())) + MEBIBYTE <= PAYLOAD_BYTES


def test_the_end_of_the_shard_does_not_wait_for_the_window() -> None:
    waiting = buffer(Clock(), maximum_batching_window_in_seconds=10)
    waiting.add(batch(1))

    waiting.close()

    assert not waiting.exhausted
    assert numbers(waiting.take()) == [1]
    assert waiting.exhausted


def test_a_record_over_the_payload_limit_is_a_batch_of_its_own() -> None:
    waiting = buffer(Clock())
    waiting.add([*batch(1), encoded(stream_record(2, data=bytes(5 * MEBIBYTE))), *batch(3)])

    assert [numbers(waiting.take()) for _ in range(3)] == [[1], [2], [3]]


@pytest.mark.parametrize(("count", "full"), [(5, False), (6, True)])
def test_reading_pauses_while_two_batches_wait(*, count: int, full: bool) -> None:
    waiting = buffer(Clock(), batch_size=3)

    waiting.add(batch(*range(count)))

    assert waiting.is_full is full
