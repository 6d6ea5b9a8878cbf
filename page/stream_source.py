"""Reads the streams of any endpoint for the page: it only reads."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from page.dead_letter_view import DeadLetters
from page.live_rides import LiveRides
from page.measures import Latencies, RateMeter
from page.page_state import Figures
from streaming import (
    LATEST,
    StartingPosition,
    StreamError,
    StreamReader,
    StreamRecord,
)
from streaming.aws_errors import describe_error

RETRY_SECONDS = 5.0
GRACE_SECONDS = 3.0
"""How long reads may fail before the page says so: some are throttled on any stream."""

JOIN_SECONDS = 1.0

Tap = Callable[[StreamRecord], object]


class StreamThreads:
    """Reads streams, each in a thread of its own, until `stop`.

    A stream that cannot be read is tried again; what comes meanwhile is not shown.

    Args:
        client: A boto3 Kinesis client.
        taps: By stream: what is called with each record.
        start: Where to begin.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: Any,
        taps: Mapping[str, Tap],
        start: StartingPosition = LATEST,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stopped = threading.Event()
        self._clients = {stream: _WatchedClient(client, stream, clock) for stream in taps}
        self._readers = {
            stream: StreamReader(watched, stream, start, stopped=self._stopped)
            for stream, watched in self._clients.items()
        }
        self._threads = [
            threading.Thread(
                target=self._read, args=(stream, tap), name=f"page-{stream}", daemon=True
            )
            for stream, tap in taps.items()
        ]

    @property
    def duplicates(self) -> int:
        """How many duplicates the readers removed."""
        return sum(reader.duplicates for reader in self._readers.values())

    def failure(self) -> str | None:
        """Return why a stream cannot be read; None if all can."""
        failures = (client.failure() for client in self._clients.values())
        return next(filter(None, failures), None)

    def open(self) -> None:
        """Check that the streams can be read.

        Raises:
            StreamError: One cannot.
        """
        for reader in self._readers.values():
            reader.open()

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads."""
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(JOIN_SECONDS)

    def _read(self, stream: str, tap: Tap) -> None:
        while not self._stopped.is_set():
            try:
                for record in self._readers[stream]:
                    tap(record)
            except StreamError as error:
                self._clients[stream].failed(str(error), grace=0.0)
                self._stopped.wait(RETRY_SECONDS)


class _WatchedClient:
    """A Kinesis client that knows whether its stream can be read: the reader retries silently."""

    def __init__(self, client: Any, stream: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._stream = stream
        self._clock = clock
        self._failure: tuple[float, str] | None = None

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)

    def get_records(self, **parameters: Any) -> Any:
        try:
            response = self._client.get_records(**parameters)
        except Exception as error:
            reason = f"cannot read the stream {self._stream!r}: {describe_error(error)}"
            self.failed(reason, grace=GRACE_SECONDS)
            raise
        self._failure = None
        return response

    def failed(self, reason: str, grace: float) -> None:
        shown_at = self._clock() + grace
        if self._failure is not None:
            shown_at = min(shown_at, self._failure[0])
        self._failure = (shown_at, reason)

    def failure(self) -> str | None:
        failure = self._failure
        return failure[1] if failure is not None and self._clock() >= failure[0] else None


class StreamCounts:
    """Counts what the page reads of an endpoint's streams.

    Args:
        live: Follows the rides.
        dead_letters: The dead letters; None: it is not known where they are.
        iterator_age: Returns the function's, in milliseconds; None if it is not known.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        live: LiveRides,
        dead_letters: DeadLetters | None,
        iterator_age: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._dead_letters = dead_letters
        self._iterator_age = iterator_age
        self._clock = clock
        self._predictions = 0
        self._latencies = Latencies()
        self._rides_meter, self._predictions_meter = RateMeter(), RateMeter()

    def taps(self, input_stream: str, outputs: Iterable[str]) -> dict[str, Tap]:
        """Return what to call with each stream's records."""

        def tap(stream: str) -> Tap:
            return lambda record: self._prediction(stream, record)

        return {input_stream: self._live.event} | {stream: tap(stream) for stream in outputs}

    def figures(self, duplicates: int) -> Figures:
        """Return the figures of this moment."""
        now = self._clock()
        rides = self._live.events - self._live.ends
        p50, p99 = self._latencies.quantiles(0.5, 0.99)
        return Figures(
            rides_in=rides,
            predictions_out=self._predictions,
            in_per_second=self._rides_meter.rate(now, rides),
            out_per_second=self._predictions_meter.rate(now, self._predictions),
            p50=p50 and p50 * 1000,
            p99=p99 and p99 * 1000,
            iterator_age=self._iterator_age(),
            duplicates=duplicates,
            dead_lettered=self._dead_letters.count if self._dead_letters else None,
            ended=self._live.ends,
        )

    def _prediction(self, stream: str, record: StreamRecord) -> None:
        found = self._live.prediction(stream, record)
        if found is not None and stream == self._live.champion:
            self._predictions += 1
            if found.latency is not None:
                self._latencies.add(found.latency)
