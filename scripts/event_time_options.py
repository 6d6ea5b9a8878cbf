"""The options that say which part of an archive is looked at, in event time."""

import argparse
import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta

from cli.arguments import not_allowed
from lifecycle.event_time import in_utc

AGO = re.compile(r"([1-9][0-9]{0,5})(m|h|d)")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_event_time_options(parser: argparse.ArgumentParser) -> None:
    """Add --since, a datetime or a timedelta, and --as-of, a datetime; both may be None."""
    parser.add_argument(
        "--since",
        type=_since,
        metavar="TIME",
        help="only rides picked up since then: 90m, 24h or 7d before --as-of, or a date and time",
    )
    add_as_of_option(parser)


def add_as_of_option(parser: argparse.ArgumentParser) -> None:
    """Add --as-of, a datetime; it may be None."""
    parser.add_argument(
        "--as-of",
        type=_moment,
        metavar="TIME",
        help="leave out what happened later, and count ages from here; default: the latest event",
    )


def _moment(text: str) -> datetime:
    """Parse a date and time; without an offset it is New York local time."""
    try:
        return in_utc(text)
    except (ValueError, OverflowError):
        raise not_allowed(text, "a date and time such as 2025-03-01T08:15") from None


def _since(text: str) -> datetime | timedelta:
    """Parse a date and time, or how long ago."""
    if found := AGO.fullmatch(text):
        return timedelta(**{UNITS[found[2]]: int(found[1])})
    try:
        return _moment(text)
    except ArgumentTypeError:
        allowed = "such as 90m, 24h or 7d, or a date and time such as 2025-03-01T08:15"
        raise not_allowed(text, allowed) from None
