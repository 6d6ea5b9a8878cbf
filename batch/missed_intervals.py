"""Which intervals a schedule scores: those of a range, a run's own, and those that were missed.

Nothing here knows Prefect or a database. Times without an offset are the table's local time,
where a day is from midnight to midnight, also where the clocks change within it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from batch.errors import InvalidRequest
from batch.interval import Interval
from batch.row_mapping import ZONE

ON_TIME = timedelta(hours=1)
"""A run that starts later than this after its scheduled time was missed."""


class Every(StrEnum):
    """How long an interval is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def floor(self, moment: datetime) -> datetime:
        """Return when the day, the week (from Monday) or the month of a moment begins."""
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Every.DAY:
            return day
        return day - timedelta(days=day.weekday()) if self is Every.WEEK else day.replace(day=1)

    def after(self, start: datetime) -> datetime:
        """Return the start that follows a start."""
        days = {Every.DAY: 1, Every.WEEK: 7, Every.MONTH: 31}
        return self.floor(start + timedelta(days=days[self]))

    def before(self, start: datetime) -> datetime:
        """Return the start before a start."""
        return self.floor(start - timedelta(days=1))


class Missed(StrEnum):
    """What is done with intervals that a schedule has missed, such as in an outage.

    - `ALL`: a run scores every interval that has no complete run yet, oldest first, and its own.
    - `LATEST`: a run scores its own interval only, and nothing if a newer one has ended already.
    - `NONE`: a run scores its own interval only, and nothing if it starts late.
    """

    ALL = "all"
    LATEST = "latest"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a schedule is responsible for.

    Attributes:
        every: How long an interval is.
        missed: What is done with those that were missed.
        since: The first moment of all, for `Missed.ALL`; None: that of the first complete run.
        delay: How long after its end an interval is left alone, for rides that arrive late.
    """

    every: Every
    missed: Missed = Missed.ALL
    since: datetime | None = None
    delay: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        """Refuse a start within an interval, and a negative delay.

        Raises:
            InvalidRequest: There is one.
        """
        if self.since is not None:
            _on_grid("SINCE", self.since, self.every)
        if self.delay < timedelta(0):
            raise InvalidRequest(f"DELAY is {self.delay}; allowed: 0 or more")

    def interval(self, at: datetime) -> Interval:
        """Return the last interval that has ended at a time, `delay` ago.

        Args:
            at: A run's scheduled time, with a UTC offset.
        """
        # A scheduler's own kind of datetime becomes Python's.
        local = datetime.fromtimestamp(at.timestamp(), ZoneInfo(ZONE)).replace(tzinfo=None)
        until = self.every.floor(local - self.delay)
        return Interval(self.every.before(until), until)

    def due(
        self, scheduled: datetime, started: datetime, complete: Collection[Interval]
    ) -> list[Interval]:
        """Return what a run scores, oldest first.

        The scheduled time alone says which interval is the run's own. When it really started says
        only whether it was missed.

        Args:
            scheduled: When it was to start, with a UTC offset.
            started: When it starts, with a UTC offset.
            complete: The intervals that have a complete run.
        """
        own = self.interval(scheduled)
        if self.missed is Missed.ALL:
            starts = [interval.since for interval in complete] or [own.since]
            first = self.every.floor(self.since or min(starts))
            if first >= own.until:
                return []
            return missing(split(Interval(first, own.until), self.every), complete)
        if self.missed is Missed.LATEST and own != self.interval(started):
            return []
        if self.missed is Missed.NONE and started - scheduled > ON_TIME:
            return []
        return missing([own], complete)


def split(span: Interval, every: Every) -> list[Interval]:
    """Split a range into days, weeks or months, oldest first.

    Raises:
        InvalidRequest: It begins or ends within one.
    """
    _on_grid("SINCE", span.since, every)
    _on_grid("UNTIL", span.until, every)
    intervals = []
    start = span.since
    while start < span.until:
        intervals.append(Interval(start, every.after(start)))
        start = every.after(start)
    return intervals


def missing(wanted: Collection[Interval], complete: Collection[Interval]) -> list[Interval]:
    """Return the intervals that are in no complete one: a month that was scored has its days."""
    return [
        interval
        for interval in wanted
        if not any(
            found.since <= interval.since and interval.until <= found.until for found in complete
        )
    ]


def _on_grid(name: str, moment: datetime, every: Every) -> None:
    if moment.tzinfo is not None or every.floor(moment) != moment:
        monday = " (a Monday)" if every is Every.WEEK else ""
        raise InvalidRequest(
            f"{name} is {moment.isoformat()}; allowed with EVERY={every}: the first moment of a "
            f"{every}{monday}, without an offset"
        )
