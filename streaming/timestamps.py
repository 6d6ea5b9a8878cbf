"""Instants as the wire has them, and as the clocks of a place show them."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z in seconds since the epoch: no later date can be formatted."""


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


def hour_and_weekday(instant: float, zone: ZoneInfo) -> tuple[float, int]:
    """Give a place's time of day and day of the week.

    Args:
        instant: Seconds since the epoch.
        zone: The place's.

    Returns:
        Hours since midnight, 0 ≤ hour < 24, and the weekday, 0 = Monday.

    Raises:
        ValueError: The instant is in no year from 1 to 9999.
        OverflowError: The same.
    """
    local = instant + _utc_offset(int(instant // 900), zone)
    day, second = divmod(local, 86_400)
    return second / 3600, int(day + 3) % 7  # the epoch was a Thursday


# Clocks change on a quarter of an hour of UTC, and looking a zone's offset up is slow.
@lru_cache(maxsize=4096)
def _utc_offset(quarter: int, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(quarter * 900, zone).utcoffset()
    assert offset is not None  # noqa: S101  a zone has one at any time
    return offset.total_seconds()
