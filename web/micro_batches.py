"""Events of concurrent requests, predicted with one call of the model.

Nothing waits for a batch to fill: what came in one turn of the event loop is predicted in the next.
While the model runs, more requests come, so that batches grow with the load. One request alone
waits for no other.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streaming.consumer.predictor import UNAVAILABLE, Answer, Payload
from streaming.consumer.records import GZIP_MAGIC

BATCH_EVENTS = 128
"""Events of one call of the model: 1 to 2 ms, for which every other request waits."""

SHARE_EVENTS = 32
"""A request of more events waits behind other such lists, and single events need not wait for it;
so many events of a batch are the lists' own, so that they do not wait for ever either."""


class BatchFailed(Exception):
    """Predicting raised something that is no event's fault, such as `MemoryError`: its name."""


class Done(Protocol):
    """What is told that a request's answers are there, as an `asyncio.Future`."""

    def done(self) -> bool:
        """Return whether nobody waits for it any more."""

    def set_result(self, result: None, /) -> None:
        """Say that every event has its answer."""

    def set_exception(self, exception: BatchFailed, /) -> None:
        """Say that the prediction raised an exception."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that waits for its answers.

    Attributes:
        payloads: Its events; not empty.
        until: When its time is up, as the batches' clock says.
        done: Told when `answers` is complete.
        answers: In the order of the events, as many as there are so far.
    """

    payloads: Sequence[Payload]
    until: float
    done: Done
    answers: list[Answer] = field(default_factory=list)


class MicroBatches:
    """Predicts the events of waiting requests, a batch in each turn of the event loop.

    Args:
        predict: Predicts events; gets how many seconds are left.
        call_soon: Has a function called in the loop's next turn.
        clock: Monotonic seconds.
        observe: Is told of each batch's answers.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Payload], float], Sequence[Answer]],
        call_soon: Callable[[Callable[[], None]], object],
        clock: Callable[[], float],
        observe: Callable[[Sequence[Answer]], None] = lambda _answers: None,
    ) -> None:
        self._predict = predict
        self._call_soon = call_soon
        self._clock = clock
        self._observe = observe
        self._compressed: deque[Waiting] = deque()
        self._short: deque[Waiting] = deque()
        self._long: deque[Waiting] = deque()
        self._queues = (self._compressed, self._short, self._long)
        self.events = 0

    def add(self, waiting: Waiting) -> None:
        """Let a request wait for its answers."""
        if not any(self._queues):
            self._call_soon(self._run)
        events, first = len(waiting.payloads), waiting.payloads[0].data
        queue = self._short if events <= SHARE_EVENTS else self._long
        if events == 1 and first[:2] == GZIP_MAGIC:  # an entry of a list is JSON
            queue = self._compressed
        queue.append(waiting)
        self.events += events

    def _run(self) -> None:
        """Predict one batch, and come again if there is more."""
        taken = self._take()
        if taken:
            self._answer(taken)
        if any(self._queues):
            self._call_soon(self._run)

    def _answer(self, taken: Sequence[tuple[Waiting, Sequence[Payload]]]) -> None:
        payloads = [payload for _, some in taken for payload in some]
        # The longest: one request's last moment must not cost another its answer.
        left = max(waiting.until for waiting, _ in taken) - self._clock()
        try:
            found = self._predict(payloads, left)
        except BaseException as error:  # noqa: BLE001  whoever waits must not wait for ever
            if isinstance(error, MemoryError) and len(taken) > 1:
                for each in taken:  # it may be one request's, and none of the others'
                    self._answer([each])
                return
            failed = BatchFailed(type(error).__name__)
            for waiting in {id(each): each for each, _ in taken}.values():
                self._fail(waiting, failed)
        else:
            self._observe(found)
            answers = iter(found)
            for waiting, some in taken:
                waiting.answers += [next(answers) for _ in some]
                self.events -= len(some)
                if len(waiting.answers) == len(waiting.payloads) and not waiting.done.done():
                    waiting.done.set_result(None)

    def _take(self) -> list[tuple[Waiting, Sequence[Payload]]]:
        """Take the events of a batch off the queues, each request's in order.

        One compressed event at most: it may take long, and every other request waits for the batch.
        Short requests come before lists, but leave room for the one that has waited longest.
        """
        taken: list[tuple[Waiting, Sequence[Payload]]] = []
        now = self._clock()
        while self._compressed and not taken:
            waiting = self._compressed.popleft()
            if self._is_wanted(waiting, now):
                taken.append((waiting, waiting.payloads))
        room = BATCH_EVENTS - len(taken)
        kept = SHARE_EVENTS if self._long else 0
        while self._short and room - len(self._short[0].payloads) >= kept:
            waiting = self._short.popleft()
            if self._is_wanted(waiting, now):
                taken.append((waiting, waiting.payloads))
                room -= len(waiting.payloads)
        while self._long and room:
            waiting = self._long[0]
            if not self._is_wanted(waiting, now):
                self._long.popleft()
                continue
            start = len(waiting.answers)
            some = waiting.payloads[start : start + room]
            taken.append((waiting, some))
            room -= len(some)
            if start + len(some) == len(waiting.payloads):
                self._long.popleft()
        return taken

    def _is_wanted(self, waiting: Waiting, now: float) -> bool:
        """Return whether somebody waits, and time is left; else the request is over."""
        if now < waiting.until and not waiting.done.done():
            return True
        left = len(waiting.payloads) - len(waiting.answers)
        self.events -= left
        if not waiting.done.done():
            waiting.answers += [UNAVAILABLE] * left
            waiting.done.set_result(None)
        return False

    def _fail(self, waiting: Waiting, error: BatchFailed) -> None:
        self.events -= len(waiting.payloads) - len(waiting.answers)
        if self._long and self._long[0] is waiting:  # part of it was taken
            self._long.popleft()
        if not waiting.done.done():
            waiting.done.set_exception(error)
