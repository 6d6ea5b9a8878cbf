"""Tracks the ends of this run's rides: events that the function skips."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from demo.other_events import OtherEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCounts:
    """How many ends of rides there are in each state.

    Attributes:
        put: Ends that this run has put on the stream, or tried to.
        rejected: Those that Kinesis did not accept.
        skipped: Those that the function finished without a prediction or a dead-letter record.
        dead_lettered: Those with a dead-letter record.
        outstanding: Those without an outcome yet.
    """

    put: int = 0
    rejected: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    outstanding: int = 0

    @property
    def accounted_for(self) -> bool:
        """Whether each was skipped or dead-lettered."""
        return self.put == self.skipped + self.dead_lettered


class RideEnds:
    """The ends that this run puts: each is outstanding until it has an outcome.

    An end that a producer's retry put twice counts once.

    Args:
        remembered: How many completed ends it remembers.
    """

    def __init__(self, remembered: int) -> None:
        self._put = self._rejected = 0
        self._expected: set[str] = set()
        self._events = OtherEvents(remembered)

    def put(self, keys: Iterable[str]) -> None:
        """Add ends by their partition keys, before they are put."""
        added = set(keys)
        self._put += len(added)
        self._expected |= added

    def rejected(self, keys: Iterable[str]) -> None:
        """Count ends that Kinesis did not accept."""
        refused = self._expected.intersection(keys)
        self._rejected += len(refused)
        self._expected -= refused

    def arrived(self, event_id: str, key: str, now: float) -> bool:
        """Match an end on the stream; return whether it was expected."""
        if key not in self._expected:
            return False
        self._expected.discard(key)
        self._events.arrived(event_id, now)
        return True

    def dead_lettered(self, event_id: str | None, key: str | None) -> bool:
        """Match a dead-letter record with an end; return whether this run put it."""
        if event_id is None or not (key in self._expected or self._events.knows(event_id)):
            return False
        self._expected.discard(key or "")
        self._events.complete(event_id, "dead_lettered")
        return True

    def skip_finished(self, checkpoints: Mapping[str, str], now: float) -> int:
        """See `OtherEvents.skip_finished`; return how many were skipped."""
        before = self._events.count("skipped")
        self._events.skip_finished(checkpoints, now)
        return self._events.count("skipped") - before

    def counts(self) -> EndCounts:
        """Return the counts of this moment."""
        return EndCounts(
            put=self._put,
            rejected=self._rejected,
            skipped=self._events.count("skipped"),
            dead_lettered=self._events.count("dead_lettered"),
            outstanding=len(self._expected) + self._events.outstanding,
        )
