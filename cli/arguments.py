"""Command-line options: their types, and errors of one line."""

import argparse
import math
import re
import shlex
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

LAST_PORT = 65_535

CHOICE = re.compile(r": invalid choice: (?P<value>.*) \(choose from (?P<choices>.*)\)$", re.DOTALL)
"""How argparse says that a value is none of an option's `choices`; their quotes vary by Python."""


class Parser(argparse.ArgumentParser):
    """An argument parser that prints errors as one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print an error and exit with status 2."""
        # argparse puts "argument --rate: " before the messages of this module's functions.
        if message.startswith("argument "):
            message = message.removeprefix("argument ").replace(": is ", " is ", 1)
            message = CHOICE.sub(_allowed_choices, message)
        self.exit(2, f"error: {message}\n")


def whole_number(text: str) -> int:
    """Parse a whole number from 1, such as a count of rides."""
    return int(_number(text, lambda value: value >= 1 and value.is_integer(), "1, 2, 3, ..."))


def port(text: str) -> int:
    """Parse a TCP port; what 0 means is the option's."""
    return int(
        _number(text, lambda value: 0 <= value <= LAST_PORT and value.is_integer(), "0 to 65535")
    )


def seed(text: str) -> int:
    """Parse a whole number, which may be negative."""
    try:
        return int(text)
    except ValueError:
        raise not_allowed(text, "a whole number") from None


def rate(text: str) -> float:
    """Parse a number above 0, such as rides per second."""
    return _number(text, lambda value: 0 < value < math.inf, "a number above 0")


def rate_or_none(text: str) -> float:
    """Parse a rate, or 0 for no rides at all."""
    return _number(text, lambda value: 0 <= value < math.inf, "a number above 0, or 0 for none")


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def location(text: str) -> str:
    """Return a URL as it is, and a folder's path, which may be relative, as a `file://` URL."""
    return text if "://" in text else Path(text).resolve().as_uri()


def names(text: str) -> list[str]:
    """Split names as a shell does; a file whose path has spaces may be given as it is."""
    if Path(text).exists():
        return [text]
    try:
        return shlex.split(text)
    except ValueError:
        raise not_allowed(text, "names with closed quotes") from None


def not_allowed(text: str, allowed: str) -> ArgumentTypeError:
    """Return the error for an option's value.

    Args:
        text: The value.
        allowed: The allowed values, in words.
    """
    return ArgumentTypeError(f"is {text!r}; allowed: {allowed}")


def _allowed_choices(found: re.Match[str]) -> str:
    return f" is {found['value']}; allowed: {found['choices'].replace(chr(39), '')}"


def _number(text: str, allowed: Callable[[float], bool], words: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not allowed(value):
        raise not_allowed(text, words)
    return value
