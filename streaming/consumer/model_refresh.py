"""Another model in place of the one in use, between two batches.

It is loaded in a thread, beside the old one. After a batch is published, and before its response,
the function waits a little for that thread: Lambda stops a function's threads between invocations,
so that a function with few records would hardly ever get on with it.
"""

import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, Generic

from streaming.consumer.interface import EventT
from streaming.consumer.model_pointer import LoadedModel, ModelSource
from streaming.consumer.telemetry import Telemetry
from streaming.errors import ModelBundleError, StreamingError

WAIT_SECONDS = 2.0
"""The longest that one look holds up the response of batches, in all: what a 4 MB bundle takes to
load with a third of a CPU. A look that takes longer goes on while batches are processed."""


class ModelRefresh(Generic[EventT]):
    """Looks for another model.

    Args:
        source: Where the model comes from: a pointer.
        current: The model in use.
        telemetry: Logs what was found.
        every_seconds: The shortest time between two looks.
        wait_seconds: See `WAIT_SECONDS`.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        source: ModelSource[EventT],
        current: LoadedModel[EventT],
        telemetry: Telemetry,
        every_seconds: float,
        *,
        wait_seconds: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._current = current
        self._telemetry = telemetry
        self._every = every_seconds
        self._wait = wait_seconds
        self._clock = clock
        self._next = clock() + every_seconds
        self._look: _Look[EventT] | None = None
        # One thread for all looks: the allocator keeps what a thread frees for that thread. It is a
        # daemon, since a look must not hold up the end of the process.
        self._looks: SimpleQueue[_Look[EventT]] = SimpleQueue()
        Thread(target=_run_looks, args=(self._looks,), name="model-refresh", daemon=True).start()
        self._warned = ""

    def poll(self, limit: float) -> LoadedModel[EventT] | None:
        """Look for another model if it is time to, and return it once it is loaded.

        Args:
            limit: How long this may take, in seconds.

        Returns:
            The model, to be passed to `accept` or `refuse`; None: keep the one in use.
        """
        if self._look is None:
            if self._clock() < self._next:
                return None
            self._look = _Look(self._source, self._current, self._wait)
            self._looks.put(self._look)
        before = self._clock()
        ended = self._look.ended.wait(max(0.0, min(limit, self._look.wait_left)))
        self._look.wait_left -= self._clock() - before
        if not ended:
            return None
        look, self._look = self._look, None
        self._next = self._clock() + self._every
        if look.error is not None:
            self.refuse(look.error)
            return None
        found = look.found
        if found is None or found.model is self._current.model:
            self._current = found or self._current
            self._warned = ""
            return None
        return found

    def accept(self, loaded: LoadedModel[EventT]) -> None:
        """Say that a model is in use now."""
        self._telemetry.model_replaced(self._current.model.version, loaded.model.version)
        self._current = loaded
        self._warned = ""

    def refuse(self, error: BaseException) -> None:
        """Say that a model cannot be used; it is tried again at the next look.

        The log has one line until the reason is another.
        """
        # The message of another exception may hold anything, an event's data among them.
        text = str(error) if isinstance(error, StreamingError) else type(error).__name__
        version = self._current.model.version
        message = f"no other model is loaded, version {version} stays in use: {text}"
        self._telemetry.model_refresh_failed(message, log=message != self._warned)
        self._warned = message


def check_successor(model: object, successor: object) -> None:
    """Check that a model may take another one's place.

    Raises:
        ModelBundleError: It has another name, event type or kind of data. Readers know a prediction
            by the model's name, and the function's metrics bear it.
    """
    for name in ("name", "event_type", "binary_data"):
        old, new = getattr(model, name, False), getattr(successor, name, False)
        if old != new:
            raise ModelBundleError(
                f"the new model's {name} is {new!r}; allowed: {old!r}, as of the model in use"
            )


class _Look(Generic[EventT]):
    """One look for another model, in a thread.

    Attributes:
        found: The model, if there is another one.
        error: Why it could not be loaded.
        ended: Set when the look is over.
        wait_left: How long batches may still wait for it, in seconds.
    """

    def __init__(
        self, source: ModelSource[EventT], current: LoadedModel[EventT], wait_left: float
    ) -> None:
        self._source = source
        self._current = current
        self.found: LoadedModel[EventT] | None = None
        self.error: BaseException | None = None
        self.ended = Event()
        self.wait_left = wait_left

    def run(self) -> None:
        try:
            self.found = self._source.load_changed(self._current)
            if self.found is not None:
                check_successor(self._current.model, self.found.model)
        except BaseException as error:  # noqa: BLE001  a model may raise anything, SystemExit too
            self.error = error
        self.ended.set()


def _run_looks(looks: SimpleQueue[_Look[Any]]) -> None:
    while True:
        looks.get().run()
