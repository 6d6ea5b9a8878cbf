"""Drives rides through a pipeline and tracks each of them to its prediction."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from cli.run_folder import require_space
from demo.display import Show
from demo.event_time_replay import Outgoing, at_rate, at_speed
from demo.outcomes import DeadLetterFolders, read_events, read_predictions
from demo.page_feed import PageFeed
from demo.producer import OutgoingEnd, OutgoingRide, paced_batches, put_records_batches
from demo.ride_pipeline import dead_letter_folder
from demo.ride_sources import Rides
from demo.ride_tracker import RideCounts, RideTracker
from demo.snapshot import Snapshot
from local.pipeline import Pipeline
from page.live_rides import tapped
from page.measures import RateMeter
from streaming import Publisher, StreamError, StreamReader

POLL_SECONDS = 0.25

PUT_SECONDS = 30.0
"""How long to resend a ride that Kinesis rejects."""

IDLE_SECONDS = 90.0
"""How long to wait for outstanding rides while nothing happens; longer than an invocation."""

DRAIN_SECONDS = 5.0
"""How long to wait for outstanding events after Ctrl-C, and for those of others at the end."""

JOIN_SECONDS = 1.0
"""How long a thread may take to end: it may be in a call that Kinesis does not answer."""

MOST_OUTSTANDING = 20_000
"""Putting pauses at this many outstanding rides, to bound memory and the wait at the end."""


class Demo:
    """One run: threads put rides and read both streams, and the caller's thread shows them.

    Args:
        pipeline: A running pipeline.
        rides: What to put; without a count, the run ends only when `stop` is set.
        rate: Rides a second.
        stop: Set to end the run.
        speed: How many times faster than real time to replay, in place of `rate`.
        watch_others: Whether to read the input stream too, and count what others put: at full
            speed on two cores that takes a quarter of the throughput.
        page: Gets what is read, to show it in a browser.

    Attributes:
        failure: The error that ended the run early, or None.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        rides: Rides,
        rate: float,
        stop: threading.Event,
        *,
        speed: float | None = None,
        watch_others: bool = True,
        page: PageFeed | None = None,
    ) -> None:
        self.failure: Exception | None = None
        self._pipeline = pipeline
        self._rides = rides
        self._rate = rate
        self._speed = speed
        self._stop = stop
        self._tracker = RideTracker()
        self._meter = RateMeter()
        self._all_put = threading.Event()
        config = pipeline.config
        self._folders = DeadLetterFolders(
            dead_letter_folder(config.folder),
            config.discarded,
            page.dead_letter if page else lambda _: None,
        )
        self._page = page
        self._events, self._predictions = (
            StreamReader(pipeline.client, stream, config.mapping.starting_position)
            for stream in (config.input_stream, config.output_stream)
        )
        self._watch_others = watch_others
        self._ends_at: float | None = None
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
            for work in (
                self._put,
                self._read_predictions,
                *([self._read_events] if self._watch_others else []),
            )
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(show)
        finally:
            self._stop.set()
            self._events.stop()
            self._predictions.stop()
            for thread in threads:
                thread.join(JOIN_SECONDS)
        self._ends_at = None
        last = self._snapshot()
        show(last)
        return last

    def _watch(self, show: Show) -> None:
        while self.failure is None:
            time.sleep(POLL_SECONDS)
            require_space(self._pipeline.config.folder)
            self._folders.read(self._tracker)
            self._tracker.finished(self._pipeline.mapping.snapshot().checkpoints)
            counts, all_put = self._tracker.counts(), self._all_put.is_set()
            if self._ends_at is None and (
                self._stop.is_set() or (all_put and counts.own_outstanding == 0)
            ):
                self._ends_at = time.monotonic() + DRAIN_SECONDS
                self._tracker.ignore_new_events()
            show(self._snapshot())
            if is_over(
                counts,
                all_put=all_put,
                idle=self._tracker.idle_seconds(),
                time_is_up=self._ends_at is not None and time.monotonic() > self._ends_at,
            ):
                return
            self.failure = self.failure or self._pipeline.mapping.failure

    def _put(self) -> None:
        publisher = Publisher(self._pipeline.client, self._pipeline.config.input_stream)
        try:
            for batch in self._batches():
                if self._pause_while_behind():
                    return
                rides, ends = _by_kind(batch)
                self._tracker.put(rides)
                self._tracker.put_ends(ends)
                outcome = publisher.publish(
                    [event.entry for event in batch], time.monotonic() + PUT_SECONDS
                )
                rides, ends = _by_kind([batch[place] for place in outcome.refused])
                self._tracker.rejected(rides)
                self._tracker.rejected_ends(ends)
                if outcome.failure:
                    raise StreamError(outcome.failure)
            if self._rides.count is None:
                self._stop.wait()
        finally:
            self._all_put.set()

    def _batches(self) -> Iterator[Sequence[Outgoing]]:
        rides, sleep = self._rides, self._stop.wait
        if rides.events is None:
            return paced_batches(put_records_batches(rides.rides), self._rate, sleep=sleep)
        if self._speed is None:
            return at_rate(rides.events, self._rate, sleep=sleep)
        return at_speed(rides.events, self._speed, sleep=sleep)

    def _pause_while_behind(self) -> bool:
        """Wait while too many rides are outstanding; return whether to stop."""
        while self._tracker.counts().outstanding >= MOST_OUTSTANDING and not self._stop.is_set():
            self._stop.wait(POLL_SECONDS)
        return self._stop.is_set()

    def _read_events(self) -> None:
        page = self._page
        read_events(tapped(self._events, page.event) if page else self._events, self._tracker)

    def _read_predictions(self) -> None:
        page, records = self._page, self._predictions
        read_predictions(tapped(records, page.prediction) if page else records, self._tracker)

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
            counts=replace(counts, duplicates=counts.duplicates + self._predictions.duplicates),
            goal=self._rides.count,
            elapsed=now - self._started,
            per_second=self._meter.rate(now, counts.all_predicted),
            p50=p50,
            p99=p99,
            iterator_age=mapping.iterator_age_ms,
            invocations=mapping.invocations,
            function_errors=mapping.function_errors,
            recent=self._tracker.recent(),
            recent_others=self._tracker.recent_others(),
            newest_dead_letter=self._tracker.newest_dead_letter(),
            reasons=self._tracker.reasons(),
            running=self._pipeline.function.in_progress(),
            stopping=self._ends_at - now if self._ends_at and counts.outstanding else None,
        )


def _by_kind(events: Sequence[Outgoing]) -> tuple[list[OutgoingRide], list[OutgoingEnd]]:
    rides = [event for event in events if isinstance(event, OutgoingRide)]
    ends = [event for event in events if isinstance(event, OutgoingEnd)]
    return rides, ends


def is_over(counts: RideCounts, *, all_put: bool, idle: float, time_is_up: bool) -> bool:
    """Return whether a run has nothing more to wait for.

    Args:
        counts: The events so far.
        all_put: Whether no more rides will be put.
        idle: Seconds since a ride of this run was put or completed.
        time_is_up: Whether the run was stopped, or its own rides completed, long enough ago.
    """
    if counts.outstanding == 0:
        return all_put
    return time_is_up or (counts.own_outstanding > 0 and idle > IDLE_SECONDS)


def exit_status(counts: RideCounts, goal: int | None) -> int:
    """Return 0 if all rides were put and every event is accounted for, else 1."""
    return 0 if counts.accounted_for and goal in (None, counts.put) else 1
