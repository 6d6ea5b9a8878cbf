"""The interval of rides that is scored."""

from dataclasses import dataclass
from datetime import datetime

from batch.errors import InvalidRequest

ALLOWED = "a date or a date and time without an offset, such as 2025-03-01 or 2025-03-01T08:15"


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open interval, in the local time of the table: `since` <= time < `until`.

    It is always given, never derived from the present: a run that is late or repeated scores the
    same rides.

    Attributes:
        since: The first moment that is scored.
        until: The first moment after it that is not.

    Raises:
        InvalidRequest: It is empty, or has a UTC offset.
    """

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        """Refuse an interval without a moment."""
        for name, moment in (("SINCE", self.since), ("UNTIL", self.until)):
            if moment.tzinfo is not None:
                raise InvalidRequest(f"{name} is {moment.isoformat()}; allowed: {ALLOWED}")
        if not self.since < self.until:
            raise InvalidRequest(
                f"UNTIL is {self.until.isoformat()}; allowed: a time after SINCE, "
                f"{self.since.isoformat()}"
            )

    @classmethod
    def parse(cls, since: str, until: str) -> "Interval":
        """Parse an interval.

        Raises:
            InvalidRequest: A text is no date, or the interval is empty.
        """
        return cls(parse_moment("SINCE", since), parse_moment("UNTIL", until))

    def __str__(self) -> str:
        """Return it as it is usually written."""
        return f"[{self.since.isoformat()}, {self.until.isoformat()})"


def parse_moment(name: str, text: str) -> datetime:
    """Parse a date, or a date and time.

    Raises:
        InvalidRequest: The text is neither; the error names it `name`.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name} is {text!r}; allowed: {ALLOWED}") from None
