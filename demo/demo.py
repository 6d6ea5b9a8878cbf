"""Drives rides through a pipeline and follows each of them to its answer."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from demo.display import Show
from demo.outcomes import DeadLetterFolders, RouteLookUp, read_predictions
from demo.producer import in_calls, paced
from demo.ride_sources import Rides
from demo.ride_tracker import Ledger, Meter, Sums
from demo.view import Snapshot
from local.pipeline import PREDICTIONS, RIDES, Pipeline
from streaming.errors import StreamError
from streaming.publisher import Publisher
from streaming.reader.stream_reader import StreamReader

LOOK_SECONDS = 0.25

PUT_SECONDS = 30.0
"""How long a ride is sent again that Kinesis refuses."""

IDLE_SECONDS = 90.0
"""How long nothing may happen before the outstanding rides are given up; more than an invocation
may take."""

DRAIN_SECONDS = 5.0
"""How long the outstanding rides are waited for after Ctrl-C."""

MOST_OUTSTANDING = 20_000
"""Rides are held back while so many are unanswered, which bounds memory and the wait at the end."""


class Demo:
    """One run: a thread puts, a thread reads predictions, and the caller's watches.

    Args:
        pipeline: Runs already.
        rides: What to put; without a count, the run ends only when it is told to.
        rate: Rides a second.
        folders: Where dead letters appear.
        stop: Set by whoever wants the run to end.

    Attributes:
        failure: What ended the run before its time, or None.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        rides: Rides,
        rate: float,
        folders: DeadLetterFolders,
        stop: threading.Event,
    ) -> None:
        self.failure: Exception | None = None
        self._pipeline = pipeline
        self._rides = rides
        self._rate = rate
        self._folders = folders
        self._stop = stop
        self._ledger = Ledger()
        self._meter = Meter()
        self._all_put = threading.Event()
        self._reader = StreamReader(pipeline.client, PREDICTIONS, pipeline.start)
        self._started = time.monotonic()

    def run(self, show: Show) -> Snapshot:
        """Drive the rides until all are accounted for, or there is no hope of it.

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
            time.sleep(LOOK_SECONDS)
            self._folders.read(self._ledger)
            show(self._snapshot())
            if self._stop.is_set() and stopping_since is None:
                stopping_since = time.monotonic()
            if is_over(
                self._ledger.sums(),
                all_put=self._all_put.is_set(),
                idle=self._ledger.idle(),
                stopping=time.monotonic() - stopping_since if stopping_since else 0.0,
            ):
                return
            self.failure = self.failure or self._pipeline.mapping.failure

    def _put(self) -> None:
        publisher = Publisher(self._pipeline.client, RIDES)
        try:
            groups = in_calls(self._rides.rides)
            for batch in paced(groups, self._rate, sleep=self._stop.wait):
                if self._held_back():
                    return
                self._ledger.put(batch)
                outcome = publisher.publish(
                    [ride.entry for ride in batch], time.monotonic() + PUT_SECONDS
                )
                self._ledger.refused(batch[place] for place in outcome.refused)
                if outcome.failure:
                    raise StreamError(outcome.failure)
            if self._rides.count is None:
                self._stop.wait()
        finally:
            self._all_put.set()

    def _held_back(self) -> bool:
        """Wait while too many rides are outstanding; true if the run is to stop."""
        while self._ledger.sums().outstanding >= MOST_OUTSTANDING and not self._stop.is_set():
            self._stop.wait(LOOK_SECONDS)
        return self._stop.is_set()

    def _read(self) -> None:
        read_predictions(self._reader, self._ledger, RouteLookUp(self._pipeline.client, RIDES))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  a thread's error ends the run, which reports it
            self.failure = error

    def _snapshot(self) -> Snapshot:
        now = time.monotonic()
        sums = self._ledger.sums()
        mapping = self._pipeline.mapping.snapshot()
        p50, p99 = self._ledger.latency(0.5, 0.99)
        return Snapshot(
            sums=replace(sums, duplicates=sums.duplicates + self._reader.duplicates),
            goal=self._rides.count,
            elapsed=now - self._started,
            per_second=self._meter.rate(now, sums.predicted + sums.others),
            p50=p50,
            p99=p99,
            iterator_age=mapping.iterator_age_ms,
            invocations=mapping.invocations,
            function_errors=mapping.function_errors,
            recent=self._ledger.recent(),
            recent_others=self._ledger.recent_others(),
            newest_dead=self._ledger.newest_dead(),
        )


def is_over(sums: Sums, *, all_put: bool, idle: float, stopping: float) -> bool:
    """Tell whether a run has nothing more to wait for.

    Args:
        sums: What became of the rides so far.
        all_put: Whether no more rides will be put.
        idle: Seconds since a ride was put or answered.
        stopping: Seconds since somebody wanted the run to end; 0 if nobody does.
    """
    if sums.outstanding == 0:
        return all_put
    return idle > IDLE_SECONDS or stopping > DRAIN_SECONDS


def exit_status(sums: Sums, goal: int | None) -> int:
    """Give 0 if every ride there should be is accounted for, else 1."""
    return 0 if sums.accounted_for and goal in (None, sums.put) else 1
