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

BATCH_EVENTS = 128
"""Events of one call of the model: 1 to 2 ms, for which every other request waits."""

SHARE_EVENTS = 32
"""Events that one request may have in a batch while others wait, so that a long list does not hold
up single events."""


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
        self._queue: deque[Waiting] = deque()
        self.events = 0

    def add(self, waiting: Waiting) -> None:
        """Let a request wait for its answers."""
        if not self._queue:
            self._call_soon(self._run)
        self._queue.append(waiting)
        self.events += len(waiting.payloads)

    def _run(self) -> None:
        """Predict one batch, and come again if there is more."""
        taken = self._take()
        if taken:
            payloads = [payload for _, some in taken for payload in some]
            # The longest: one request's last moment must not cost another its answer.
            left = max(waiting.until for waiting, _ in taken) - self._clock()
            try:
                found = self._predict(payloads, left)
            except BaseException as error:  # noqa: BLE001  whoever waits must not wait for ever
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
        if self._queue:
            self._call_soon(self._run)

    def _take(self) -> list[tuple[Waiting, Sequence[Payload]]]:
        """Take the events of a batch off the queue, each request's in order."""
        taken: list[tuple[Waiting, Sequence[Payload]]] = []
        begun: dict[int, int] = {}
        room, now = BATCH_EVENTS, self._clock()
        while self._queue and room:
            waiting = self._queue.popleft()
            payloads = waiting.payloads
            if len(payloads) == 1 and now < waiting.until and not waiting.done.done():
                taken.append((waiting, payloads))  # most are such
                room -= 1
                continue
            start = begun.get(id(waiting), len(waiting.answers))
            if waiting.done.done():  # nobody waits for it
                self.events -= len(payloads) - start
                continue
            if now >= waiting.until and id(waiting) not in begun:
                self._expire(waiting)
                continue
            some = payloads[start : start + min(SHARE_EVENTS, room)]
            taken.append((waiting, some))
            room -= len(some)
            begun[id(waiting)] = start + len(some)
            if start + len(some) < len(payloads):
                self._queue.append(waiting)
        return taken

    def _expire(self, waiting: Waiting) -> None:
        left = len(waiting.payloads) - len(waiting.answers)
        waiting.answers += [UNAVAILABLE] * left
        self.events -= left
        waiting.done.set_result(None)

    def _fail(self, waiting: Waiting, error: BatchFailed) -> None:
        self.events -= len(waiting.payloads) - len(waiting.answers)
        if waiting in self._queue:
            self._queue.remove(waiting)
        if not waiting.done.done():
            waiting.done.set_exception(error)
