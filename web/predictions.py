"""From a request's body to its events, and from their answers to the response."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

import msgspec

from streaming.consumer.predictor import Answer, Payload
from streaming.errors import DECODE_ERRORS
from web.micro_batches import BatchFailed, MicroBatches, Waiting
from web.prometheus_metrics import Metrics
from web.replies import (
    CLOSE,
    Refused,
    Reply,
    ServiceUnavailable,
    TooManyRequests,
    list_reply,
    single_reply,
)
from web.served_model import ServedModel
from web.web_settings import WebSettings

HELD_BYTES = 64 * 1024 * 1024
"""Bodies that are read or wait, of all requests together; beyond, the answer is 429."""

WHITESPACE = b" \t\n\r"

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class ClientGone(Exception):
    """The connection ended before the request did."""


class Predictions:
    """Predicts the events of requests.

    Args:
        served: The model.
        settings: The limits.
        metrics: Counts events and batches.
        clock: Monotonic seconds.
        call_soon: Has a function called in the event loop's next turn.
    """

    def __init__(
        self,
        served: ServedModel[Any],
        settings: WebSettings,
        metrics: Metrics,
        clock: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._now = served.now
        self._settings = settings
        self._clock = clock
        self._held = 0
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._batches = MicroBatches(served.predict, call_soon or _call_soon, clock, metrics.batch)
        metrics.watch_waiting(lambda: self._batches.events)

    async def predict(self, body: bytes, request_id: str) -> Reply:
        """Predict a body: one event, or a JSON list of events.

        Args:
            body: What a producer would put on the stream, or a list of it.
            request_id: The `event_id` of its prediction record; an entry of a list has `:index`.

        Raises:
            Refused: It is too much, or there is no time.
        """
        entries = self._entries(body)
        if entries is None:
            (answer,) = await self.ask([Payload(body, request_id, self._now())])
            return single_reply(answer)
        return list_reply(await self.ask_all(entries, request_id))

    async def ask_all(self, events: Sequence[bytes | msgspec.Raw], request_id: str) -> list[Answer]:
        """Predict the events of a list.

        Raises:
            Refused: It is too long, or there is no time.
        """
        allowed = self._settings.max_events
        if len(events) > allowed:
            message = f"the list has {len(events)} events; allowed: {allowed}"
            raise Refused(413, "TooManyEvents", message)
        if not events:
            return []
        now = self._now()
        return await self.ask(
            [Payload(bytes(each), f"{request_id}:{i}", now) for i, each in enumerate(events)]
        )

    async def ask(self, payloads: Sequence[Payload]) -> list[Answer]:
        """Predict payloads together with those of other requests; at least one.

        Raises:
            Refused: Too many wait, or predicting fails.
        """
        waiting_events = self._batches.events
        most = self._settings.max_waiting_events
        if waiting_events and waiting_events + len(payloads) > most:
            raise TooManyRequests
        done = asyncio.get_running_loop().create_future()
        waiting = Waiting(payloads, self._clock() + self._settings.request_seconds, done)
        self._batches.add(waiting)
        try:
            await done
        except BatchFailed:
            raise ServiceUnavailable from None
        return waiting.answers

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        """Read a body; `release` has to follow.

        Raises:
            Refused: It is too large or too slow, or too many bodies are held.
            ClientGone: It ends too early.
        """
        allowed = self._settings.max_body_bytes
        length = headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > len(str(allowed)) or int(length) > allowed):
            raise _too_large(allowed)
        chunks: list[bytes] = []
        size = 0
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine of a server runs in a task
        self._reading[task] = self._clock()
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone  # noqa: TRY301
                chunk = message.get("body", b"")
                size += len(chunk)
                self._held += len(chunk)
                if size > allowed:
                    raise _too_large(allowed)  # noqa: TRY301
                if self._held > HELD_BYTES:
                    raise TooManyRequests  # noqa: TRY301
                chunks.append(chunk)
                if not message.get("more_body"):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        except BaseException as error:
            self._held -= size
            if isinstance(error, asyncio.CancelledError) and task not in self._reading:
                task.uncancel()
                late = f"the body did not come within {self._settings.request_seconds} s"
                raise Refused(408, "RequestTimeout", late, (CLOSE,)) from None
            raise
        finally:
            self._reading.pop(task, None)

    def end_late_bodies(self) -> None:
        """Refuse requests whose body takes too long.

        Called now and then: a timer for each request would cost a tenth of it.
        """
        began_before = self._clock() - self._settings.request_seconds
        for task in [task for task, began in self._reading.items() if began < began_before]:
            del self._reading[task]
            task.cancel()

    def release(self, body: bytes) -> None:
        """Say that a body that was read is not held any more."""
        self._held -= len(body)

    def _entries(self, body: bytes) -> list[msgspec.Raw] | None:
        """Return the entries of a JSON list; None if it is none, so that the model says why."""
        if body.lstrip(WHITESPACE)[:1] != b"[":
            return None
        try:
            return _decode_list(body)
        except DECODE_ERRORS:
            return None


def _too_large(allowed: int) -> Refused:
    message = f"the body is too large; allowed: {allowed} bytes"
    return Refused(413, "BodyTooLarge", message, (CLOSE,))


def _call_soon(function: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_soon(function)
