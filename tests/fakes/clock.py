"""A clock that the test controls."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2025, 3, 1, 13, 15, tzinfo=UTC)


class Clock:
    """Time that passes only when code under test sleeps or the test advances it.

    `clock.now` replaces `time.monotonic`, `clock.sleep` replaces `time.sleep` and `clock.utc` the
    wall clock. Threads may share one clock.

    Attributes:
        sleeps: Every sleep so far, in seconds, in order.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now(self) -> float:
        """Return the seconds since the clock's start."""
        return self._now

    def utc(self) -> datetime:
        """Return the time of day; it starts at 13:15 UTC on 1 March 2025."""
        return EPOCH + timedelta(seconds=self._now)

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass and record the sleep."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back: {seconds}")
        with self._lock:
            self._now += seconds
