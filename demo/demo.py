"""Drives rides through a pipeline and tracks each of them to its prediction."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from demo.display import Show
from demo.outcomes import DeadLetterFolders, RouteLookUp, read_predictions
from demo.producer import paced_batches, put_records_batches
from demo.ride_pipeline import dead_letter_folder
from demo.ride_sources import Rides
from demo.ride_tracker import RateMeter, RideCounts, RideTracker
from demo.view import Snapshot
from local.pipeline import Pipeline
from streaming import Publisher, StreamError, StreamReader

POLL_SECONDS = 0.25

PUT_SECONDS = 30.0
"""How long to resend a ride that Kinesis rejects."""

IDLE_SECONDS = 90.0
"""How long to wait for outstanding rides while nothing happens; longer than an invocation."""

DRAIN_SECONDS = 5.0
"""How long to wait for outstanding rides after Ctrl-C."""

MOST_OUTSTANDING = 20_000
"""Putting pauses at this many outstanding rides, to bound memory and the wait at the end."""


class Demo:
    """One run: a thread puts rides, a thread reads predictions, and the caller's shows both.

    Args:
        pipeline: A running pipeline.
        rides: What to put; without a count, the run ends only when `stop` is set.
        rate: Rides a second.
        stop: Set to end the run.

    Attributes:
        failure: The error that ended the run early, or None.
    """

    def __init__(
        self, pipeline: Pipeline, rides: Rides, rate: float, stop: threading.Event
    ) -> None:
        self.failure: Exception | None = None
        self._pipeline = pipeline
        self._rides = rides
        self._rate = rate
        self._stop = stop
        self._tracker = RideTracker()
        self._meter = RateMeter()
        self._all_put = threading.Event()
        config = pipeline.config
        self._folders = DeadLetterFolders(dead_letter_folder(config.folder), config.discarded)
        self._reader = StreamReader(
            pipeline.client, config.output_stream, config.mapping.starting_position
        )
        self._started = time.monotonic()

    def run(self, show: Show) -> Snapshot:
        """Drive the rides until all are accounted for, or waiting longer is pointless.

        Args:
            show: Shows a snapshot; called several times a second.

        Returns:
            The last snapshot.
        """
        self._started = time.monotonic()
        threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True)
            for work in (self._put, self._read)
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(show)
        finally:
            self._stop.set()
            self._reader.stop()
            for thread in threads:
                thread.join()
        last = self._snapshot()
        show(last)
        return last

    def _watch(self, show: Show) -> None:
        stopping_since: float | None = None
        while self.failure is None:
            time.sleep(POLL_SECONDS)
            self._folders.read(self._tracker)
            show(self._snapshot())
            if self._stop.is_set() and stopping_since is None:
                stopping_since = time.monotonic()
            if is_over(
                self._tracker.counts(),
                all_put=self._all_put.is_set(),
                idle=self._tracker.idle_seconds(),
                stopping=time.monotonic() - stopping_since if stopping_since else 0.0,
            ):
                return
            self.failure = self.failure or self._pipeline.mapping.failure

    def _put(self) -> None:
        publisher = Publisher(self._pipeline.client, self._pipeline.config.input_stream)
        try:
            batches = put_records_batches(self._rides.rides)
            for batch in paced_batches(batches, self._rate, sleep=self._stop.wait):
                if self._pause_while_behind():
                    return
                self._tracker.put(batch)
                outcome = publisher.publish(
                    [ride.entry for ride in batch], time.monotonic() + PUT_SECONDS
                )
                self._tracker.rejected(batch[place] for place in outcome.refused)
                if outcome.failure:
                    raise StreamError(outcome.failure)
            if self._rides.count is None:
                self._stop.wait()
        finally:
            self._all_put.set()

    def _pause_while_behind(self) -> bool:
        """Wait while too many rides are outstanding; return whether to stop."""
        while self._tracker.counts().outstanding >= MOST_OUTSTANDING and not self._stop.is_set():
            self._stop.wait(POLL_SECONDS)
        return self._stop.is_set()

    def _read(self) -> None:
        pipeline = self._pipeline
        route_of = RouteLookUp(pipeline.client, pipeline.config.input_stream)
        read_predictions(self._reader, self._tracker, route_of)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  a thread's error ends the run, which raises it
            self.failure = error

    def _snapshot(self) -> Snapshot:
        now = time.monotonic()
        counts = self._tracker.counts()
        mapping = self._pipeline.mapping.snapshot()
        p50, p99 = self._tracker.latency(0.5, 0.99)
        return Snapshot(
            counts=replace(counts, duplicates=counts.duplicates + self._reader.duplicates),
            goal=self._rides.count,
            elapsed=now - self._started,
            per_second=self._meter.rate(now, counts.predicted + counts.others_predicted),
            p50=p50,
            p99=p99,
            iterator_age=mapping.iterator_age_ms,
            invocations=mapping.invocations,
            function_errors=mapping.function_errors,
            recent=self._tracker.recent(),
            recent_others=self._tracker.recent_others(),
            newest_dead_letter=self._tracker.newest_dead_letter(),
        )


def is_over(counts: RideCounts, *, all_put: bool, idle: float, stopping: float) -> bool:
    """Return whether a run has nothing more to wait for.

    Args:
        counts: The rides so far.
        all_put: Whether no more rides will be put.
        idle: Seconds since a ride was put or completed.
        stopping: Seconds since the run was told to stop; 0 if it was not.
    """
    if counts.outstanding == 0:
        return all_put
    return idle > IDLE_SECONDS or stopping > DRAIN_SECONDS


def exit_status(counts: RideCounts, goal: int | None) -> int:
    """Return 0 if all rides were put and every ride is accounted for, else 1."""
    return 0 if counts.accounted_for and goal in (None, counts.put) else 1
