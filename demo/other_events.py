"""Tracks the events that other producers put, by their event ids."""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Literal

Outcome = Literal["predicted", "dead_lettered", "skipped"]

SKIPPED_SECONDS = 2.0
"""A finished event whose prediction or dead-letter record takes longer than this was skipped."""


class OtherEvents:
    """The events of other producers: each is outstanding until it has an outcome.

    Args:
        remembered: How many completed events it remembers.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._outstanding: dict[str, float] = {}
        self._completed: OrderedDict[str, Outcome] = OrderedDict()
        self._finished_at: dict[str, float] = {}
        self._counts: Counter[Outcome] = Counter()
        self._closed = False

    def close(self) -> None:
        """Count no further event: a run ends although others go on."""
        self._closed = True

    def arrived(self, event_id: str, now: float) -> None:
        """Add an event that is on the input stream; its outcome may be known already."""
        if not self._closed and event_id not in self._completed:
            self._outstanding.setdefault(event_id, now)

    def knows(self, event_id: str) -> bool:
        """Return whether an event was added or completed, and is still remembered."""
        return event_id in self._outstanding or event_id in self._completed

    def complete(self, event_id: str, outcome: Outcome) -> bool:
        """Set an event's outcome; return whether it had none before."""
        before = self._completed.get(event_id)
        if before in ("predicted", "dead_lettered"):
            return False
        if before == "skipped":  # its prediction only came late
            self._counts["skipped"] -= 1
        elif self._outstanding.pop(event_id, None) is None and self._closed:
            return True
        self._finished_at.pop(event_id, None)
        self._counts[outcome] += 1
        self._completed[event_id] = outcome
        if len(self._completed) > self._remembered:
            self._completed.popitem(last=False)
        return True

    def skip_finished(self, checkpoints: Mapping[str, str], now: float) -> None:
        """Complete the events that the function has finished without any output.

        Args:
            checkpoints: By shard: the sequence number up to which all records are finished.
            now: Monotonic seconds.
        """
        for event_id in list(self._outstanding):
            shard_id, sequence_number = event_id.split(":")[:2]
            checkpoint = checkpoints.get(shard_id, "")
            if checkpoint.isdecimal() and int(sequence_number) <= int(checkpoint):
                finished_at = self._finished_at.setdefault(event_id, now)
                if now - finished_at >= SKIPPED_SECONDS:
                    self.complete(event_id, "skipped")

    @property
    def outstanding(self) -> int:
        """How many events have no outcome yet."""
        return len(self._outstanding)

    def count(self, outcome: Outcome) -> int:
        """Return how many events have an outcome."""
        return self._counts[outcome]
