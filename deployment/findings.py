"""What `make doctor` finds: one line each, with what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from streaming.aws_errors import describe_error

T = TypeVar("T")


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    UNKNOWN = "unknown"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        level: How bad it is.
        subject: What was looked at.
        text: What was found, and what to do.
    """

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.level.value:<8} {self.subject}: {self.text}"


def ok(subject: str, text: str) -> Finding:
    """Return a finding that needs nothing to be done."""
    return Finding(Level.OK, subject, text)


def wrong(subject: str, found: object, allowed: str, remedy: str) -> Finding:
    """Return a finding that something must be done about.

    Args:
        subject: What was looked at.
        found: What it is.
        allowed: What it should be.
        remedy: What to do.
    """
    return Finding(Level.WRONG, subject, f"is {found}; should be {allowed}: {remedy}")


def looked_up(
    subject: str, look: Callable[[], T], findings: Callable[[T], Iterator[Finding]]
) -> Iterator[Finding]:
    """Call AWS, and go on to the next check if it does not respond.

    Args:
        subject: What is looked at.
        look: Calls AWS.
        findings: Reads the response.
    """
    try:
        response: Any = look()
    except (BotoCoreError, ClientError) as error:
        yield Finding(
            Level.UNKNOWN,
            subject,
            f"cannot be read ({describe_error(error)}): check what the credentials may read",
        )
        return
    yield from findings(response)
