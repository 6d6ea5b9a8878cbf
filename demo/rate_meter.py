"""The rate of a growing count."""

from collections import deque


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
