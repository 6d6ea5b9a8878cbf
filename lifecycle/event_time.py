"""The times in ride events: ISO 8601, and without an offset New York local time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def in_utc(text: str) -> datetime:
    """Return the instant that an event's date and time names, in UTC.

    A local time that occurs twice, when clocks go back, is the earlier of the two; one that does
    not occur, when they go forward, counts as if they had not.

    Raises:
        ValueError: It is not a date and time in ISO 8601.
        OverflowError: In UTC, its year is not from 1 to 9999.
    """
    # Python accepts any separator, and a date without a time as midnight.
    if "T" not in text and " " not in text:
        raise ValueError("a date without a time")
    named = datetime.fromisoformat(text)
    return (named if named.tzinfo else named.replace(tzinfo=NEW_YORK)).astimezone(UTC)
