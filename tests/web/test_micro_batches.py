"""Events of concurrent requests in one batch: everybody gets their own answers."""

from __future__ import annotations

import gzip
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.consumer.predictor import UNAVAILABLE, Answer, Payload
from web.micro_batches import BATCH_EVENTS, SHARE_EVENTS, BatchFailed, MicroBatches, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.fakes.clock import Clock


class Loop:
    """The turns of an event loop."""

    def __init__(self) -> None:
        self.due: deque[Callable[[], None]] = deque()

    def turn(self) -> None:
        for _ in range(len(self.due)):
            self.due.popleft()()

    def run(self) -> None:
        while self.due:
            self.turn()


class Echo:
    """Answers each payload with its own data; keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.raises: BaseException | None = None

    def __call__(self, payloads: Sequence[Payload], _seconds: float) -> list[Answer]:
        self.batches.append([payload.data for payload in payloads])
        if self.raises is not None:
            raise self.raises
        return [b"answer to " + payload.data for payload in payloads]


def request(name: str, events: int, until: float = 10.0) -> Waiting:
    done: Future[None] = Future()
    return Waiting([Payload(f"{name}:{i}".encode()) for i in range(events)], until, done)


def own(waiting: Waiting) -> list[bytes]:
    return [b"answer to " + payload.data for payload in waiting.payloads]


def batches(echo: Callable[..., Any], loop: Loop, clock: Clock | None = None) -> MicroBatches:
    now = clock.now if clock else (lambda: 0.0)
    return MicroBatches(echo, loop.due.append, now)


@given(
    turns=st.lists(
        st.lists(st.integers(min_value=1, max_value=3 * BATCH_EVENTS), max_size=6), max_size=6
    ),
    abandoned=st.sets(st.integers(min_value=0, max_value=35)),
)
def test_every_request_gets_its_own_answers_in_order(
    turns: list[list[int]], abandoned: set[int]
) -> None:
    loop, echo = Loop(), Echo()
    waiting = batches(echo, loop)
    requests: list[Waiting] = []
    for sizes in turns:
        for events in sizes:
            requests.append(request(str(len(requests)), events))
            waiting.add(requests[-1])
        loop.turn()
        for number in abandoned & set(range(len(requests))):
            requests[number].done.cancel()  # type: ignore[attr-defined]
    loop.run()

    for number, each in enumerate(requests):
        if number not in abandoned or not each.done.cancelled():  # type: ignore[attr-defined]
            assert each.done.done()
            assert each.answers == own(each)
    assert waiting.events == 0
    assert all(len(batch) <= BATCH_EVENTS for batch in echo.batches)


def test_a_request_alone_is_predicted_in_the_next_turn() -> None:
    loop, echo = Loop(), Echo()
    alone = request("alone", 1)
    batches(echo, loop).add(alone)

    loop.turn()

    assert alone.answers == own(alone)


def test_what_came_in_one_turn_is_one_batch() -> None:
    loop, echo = Loop(), Echo()
    waiting = batches(echo, loop)
    for number in range(5):
        waiting.add(request(str(number), 1))

    loop.turn()

    assert [len(batch) for batch in echo.batches] == [5]


def test_a_long_list_does_not_hold_up_a_single_event() -> None:
    loop, echo = Loop(), Echo()
    waiting = batches(echo, loop)
    long, single = request("long", 20 * BATCH_EVENTS), request("single", 1)
    waiting.add(long)
    waiting.add(single)

    loop.turn()

    assert single.answers == own(single)
    assert SHARE_EVENTS <= len(long.answers) < BATCH_EVENTS
    loop.run()
    assert long.answers == own(long)


def test_a_list_alone_has_whole_batches() -> None:
    loop, echo = Loop(), Echo()
    batches(echo, loop).add(request("list", 2 * BATCH_EVENTS + 1))

    loop.run()

    assert [len(batch) for batch in echo.batches] == [BATCH_EVENTS, BATCH_EVENTS, 1]


@pytest.mark.parametrize("error", [MemoryError(), SystemExit(), StopIteration(), KeyError("x")])
def test_a_failure_reaches_everybody_in_the_batch_and_the_next_batch_is_predicted(
    error: BaseException,
) -> None:
    loop, echo = Loop(), Echo()
    waiting = batches(echo, loop)
    failed = [request("a", 1), request("b", 2 * BATCH_EVENTS)]
    for each in failed:
        waiting.add(each)
    echo.raises = error
    loop.turn()
    echo.raises = None
    later = request("later", 1)
    waiting.add(later)
    loop.run()

    for each in failed:
        with pytest.raises(BatchFailed, match=type(error).__name__):
            each.done.result()  # type: ignore[attr-defined]
    assert later.answers == own(later)
    assert waiting.events == 0


def test_an_event_that_exhausts_the_memory_costs_no_other_request_its_answer() -> None:
    loop, echo = Loop(), Echo()

    def predict(payloads: Sequence[Payload], seconds: float) -> list[Answer]:
        if any(payload.data == b"huge:0" for payload in payloads):
            raise MemoryError
        return echo(payloads, seconds)

    waiting = batches(predict, loop)
    requests = [request(name, 1) for name in ("a", "huge", "b")]
    requests.append(request("list", 2 * BATCH_EVENTS))
    for each in requests:
        waiting.add(each)
    loop.run()

    huge = requests.pop(1)
    assert [each.answers for each in requests] == [own(each) for each in requests]
    with pytest.raises(BatchFailed, match="MemoryError"):
        huge.done.result()  # type: ignore[attr-defined]
    assert waiting.events == 0


def zipped(events: int, until: float = 10.0) -> list[Waiting]:
    data = gzip.compress(b"{}")
    return [Waiting([Payload(data)], until, Future[None]()) for _ in range(events)]


def test_a_batch_has_one_compressed_event_at_most_and_leaves_lists_their_places() -> None:
    loop, echo = Loop(), Echo()
    waiting = batches(echo, loop)
    requests = [*zipped(3), request("list", BATCH_EVENTS + 4)]
    requests += [request(f"single {number}", 1) for number in range(BATCH_EVENTS)]
    for each in requests:
        waiting.add(each)

    loop.run()

    assert [each.answers for each in requests] == [own(each) for each in requests]
    assert [sum(data[:2] == b"\x1f\x8b" for data in batch) for batch in echo.batches] == [1, 1, 1]
    of_lists = [sum(data.startswith(b"list") for data in batch) for batch in echo.batches]
    assert of_lists[0] == SHARE_EVENTS
    assert sum(of_lists) == BATCH_EVENTS + 4
    assert waiting.events == 0


def test_many_compressed_events_do_not_use_up_the_time_of_others(clock: Clock) -> None:
    """Each may take as long as decompressing 10 MiB does."""
    loop, echo = Loop(), Echo()

    def predict(payloads: Sequence[Payload], seconds: float) -> list[Answer]:
        clock.advance(0.02 * sum(payload.data[:2] == b"\x1f\x8b" for payload in payloads))
        return echo(payloads, seconds)

    waiting = batches(predict, loop, clock)
    compressed = zipped(1_000, until=100.0)
    for each in compressed:
        waiting.add(each)
    plain = [request("single", 1), request("list", 2 * SHARE_EVENTS)]
    for each in plain:
        waiting.add(each)
    loop.turn()

    assert [each.answers for each in plain] == [own(each) for each in plain]
    assert clock.now() == pytest.approx(0.02)
    loop.run()
    assert [each.answers for each in compressed] == [own(each) for each in compressed]


def test_a_compressed_event_is_predicted_however_many_others_wait() -> None:
    loop, echo = Loop(), Echo()
    waiting = batches(echo, loop)
    for number in range(3 * BATCH_EVENTS):
        waiting.add(request(str(number), 1))
    waiting.add(request("list", 3 * BATCH_EVENTS))
    (compressed,) = zipped(1)
    waiting.add(compressed)

    loop.turn()

    assert compressed.answers == own(compressed)


def test_a_request_whose_time_is_up_is_not_predicted(clock: Clock) -> None:
    loop, echo = Loop(), Echo()
    waiting = batches(echo, loop, clock)
    late = request("late", 3, until=clock.now() + 1)
    in_time = request("in time", 1, until=clock.now() + 60)
    waiting.add(late)
    waiting.add(in_time)
    clock.sleep(2)

    loop.run()

    assert late.answers == [UNAVAILABLE] * 3
    assert in_time.answers == own(in_time)
    assert echo.batches == [[b"in time:0"]]


def test_one_requests_last_moment_does_not_shorten_the_time_of_another(clock: Clock) -> None:
    loop = Loop()
    given_seconds: list[float] = []

    def predict(payloads: Sequence[Payload], seconds: float) -> list[Answer]:
        given_seconds.append(seconds)
        return [b""] * len(payloads)

    waiting = batches(predict, loop, clock)
    waiting.add(request("soon", 1, until=clock.now() + 0.001))
    waiting.add(request("later", 1, until=clock.now() + 10))
    loop.run()

    assert given_seconds == pytest.approx([10])
