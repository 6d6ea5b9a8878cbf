"""Rides and their ends in the order of event time, at a rate or at a multiple of real time."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from demo.producer import OutgoingEnd, OutgoingRide, paced_batches, put_records_batches
from streaming.publisher import CALL_ENTRIES

Outgoing: TypeAlias = OutgoingRide | OutgoingEnd

LONGEST_GAP = timedelta(hours=1)
"""A longer time without any event passes as this: a month's file has a few trips of other years."""


@dataclass(frozen=True, slots=True)
class ReplayedTrip:
    """A trip to replay.

    Attributes:
        start: What to put at its pickup.
        started_at: New York local time.
        end: What to put at its drop-off; None if the drop-off is not known.
        ended_at: New York local time; not before `started_at`.
    """

    start: OutgoingRide
    started_at: datetime
    end: OutgoingEnd | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event to put, and its event time."""

    at: datetime
    event: Outgoing


def in_event_time(trips: Iterable[ReplayedTrip]) -> Iterator[TimedEvent]:
    """Yield the trips' starts and ends, the earliest first; each end comes after its start.

    Memory holds the rides in progress.

    Args:
        trips: In the order of their starts.
    """
    number = itertools.count()  # among equal times, the order of the starts
    in_progress: list[tuple[datetime, int, OutgoingEnd]] = []
    for trip in trips:
        while in_progress and in_progress[0][0] <= trip.started_at:
            at, _, end = heapq.heappop(in_progress)
            yield TimedEvent(at, end)
        yield TimedEvent(trip.started_at, trip.start)
        if trip.end is not None and trip.ended_at is not None:
            heapq.heappush(in_progress, (trip.ended_at, next(number), trip.end))
    while in_progress:
        at, _, end = heapq.heappop(in_progress)
        yield TimedEvent(at, end)


def at_rate(
    events: Iterable[TimedEvent],
    rate: float | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[list[Outgoing]]:
    """Yield events in batches, as many rides a second as a rate; see `paced_batches`.

    A ride's end comes with the first ride that starts later.
    """
    groups = put_records_batches(_with_ends_before(events))
    for batch in paced_batches(groups, rate, clock=clock, sleep=sleep):
        yield list(itertools.chain.from_iterable(batch))


def at_speed(
    events: Iterable[TimedEvent],
    speed: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[list[Outgoing]]:
    """Yield events in batches, each when its event time has come.

    A consumer that falls behind gets larger batches until it has caught up.

    Args:
        events: In the order of event time.
        speed: How many times faster than real time.
        clock: Monotonic seconds.
        sleep: Waits for some seconds. If it returns true, as `threading.Event.wait` does when the
            event is set, the iteration ends.

    Yields:
        1 to 500 events.
    """
    batch: list[Outgoing] = []
    started, elapsed, last = clock(), 0.0, None
    for timed in events:
        elapsed += min(timed.at - last, LONGEST_GAP).total_seconds() if last else 0.0
        last = timed.at
        wait = started + elapsed / speed - clock()
        if batch and (wait > 0 or len(batch) == CALL_ENTRIES):
            yield batch
            batch = []
            wait = started + elapsed / speed - clock()
        if wait > 0 and sleep(wait):
            return
        batch.append(timed.event)
    if batch:
        yield batch


def _with_ends_before(events: Iterable[TimedEvent]) -> Iterator[list[Outgoing]]:
    """Yield each ride with the ends that come before it, and at last those that are left."""
    group: list[Outgoing] = []
    for timed in events:
        group.append(timed.event)
        if isinstance(timed.event, OutgoingRide) or len(group) == CALL_ENTRIES:
            yield group
            group = []
    if group:
        yield group
