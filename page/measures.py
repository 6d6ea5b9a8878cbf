"""Rates and latencies of what goes on, in memory that is bounded."""

import threading
from collections import deque
from collections.abc import Callable

LATENCIES = 10_000
SLOTS = 30


class RateMeter:
    """Computes the rate of a growing count over the last few seconds.

    Args:
        window: Length in seconds.
    """

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._readings: deque[tuple[float, int]] = deque()

    def rate(self, now: float, count: int) -> float:
        """Add a reading and return the rate per second; 0 at the first reading."""
        self._readings.append((now, count))
        while len(self._readings) > 2 and self._readings[1][0] <= now - self._window:  # noqa: PLR2004  two readings make a rate
            self._readings.popleft()
        then, before = self._readings[0]
        return (count - before) / (now - then) if now > then else 0.0


class Latencies:
    """The last 10,000 latencies; several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: deque[float] = deque(maxlen=LATENCIES)

    def add(self, seconds: float) -> None:
        """Add a latency."""
        with self._lock:
            self._seconds.append(seconds)

    def quantiles(self, *quantiles: float) -> list[float | None]:
        """Return quantiles (0 to 1) in seconds; None before any latency."""
        with self._lock:
            ordered = sorted(self._seconds)
        if not ordered:
            return [None for _ in quantiles]
        return [ordered[min(int(q * len(ordered)), len(ordered) - 1)] for q in quantiles]


class RecentCount:
    """Counts what happened within a window, in 30 slots of time.

    Args:
        window: Length in seconds.
        clock: Monotonic seconds.
    """

    __slots__ = ("_clock", "_length", "_slots")

    def __init__(self, window: float, clock: Callable[[], float]) -> None:
        self._length = window / SLOTS
        self._clock = clock
        self._slots: deque[list[int]] = deque(maxlen=SLOTS)

    def add(self) -> None:
        """Count one."""
        slot = int(self._clock() / self._length)
        if self._slots and self._slots[-1][0] == slot:
            self._slots[-1][1] += 1
        else:
            self._slots.append([slot, 1])

    def total(self) -> int:
        """Return how many there were within the window, to the slot."""
        oldest = int(self._clock() / self._length) - SLOTS
        return sum(count for slot, count in self._slots if slot > oldest)
