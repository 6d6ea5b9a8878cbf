"""Instants as the wire has them."""

from datetime import UTC, datetime
from functools import lru_cache


def iso_utc(seconds: float) -> str:
    """Write an instant as ISO 8601 in UTC with milliseconds, such as `2025-03-01T13:15:00.123Z`.

    Args:
        seconds: Since the epoch.
    """
    # Whole milliseconds first: 0.9996 s must carry into the next second.
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


# The records of a batch arrived within a few seconds of each other, and formatting a date is slow.
@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
