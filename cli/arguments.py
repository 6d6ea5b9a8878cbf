"""Command-line options: what they may hold, and one line for what they may not."""

import argparse
import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line, without the usage around it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end the program with status 2."""
        # argparse writes "argument --rate: " before what this module's functions say.
        if message.startswith("argument "):
            message = message.removeprefix("argument ").replace(": is ", " is ", 1)
        self.exit(2, f"error: {message}\n")


def whole_number(text: str) -> int:
    """Read a whole number from 1, such as a count of rides."""
    return int(_number(text, lambda value: value >= 1 and value.is_integer(), "1, 2, 3, ..."))


def seed(text: str) -> int:
    """Read a whole number, which may be negative."""
    try:
        return int(text)
    except ValueError:
        raise not_allowed(text, "a whole number") from None


def rate(text: str) -> float:
    """Read a number above 0, such as rides a second."""
    return _number(text, lambda value: 0 < value < math.inf, "a number above 0")


def rate_or_none(text: str) -> float:
    """Read a rate, or 0 for no rides at all."""
    return _number(text, lambda value: 0 <= value < math.inf, "a number above 0, or 0 for none")


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def not_allowed(text: str, allowed: str) -> ArgumentTypeError:
    """Make the complaint about an option's value.

    Args:
        text: The value.
        allowed: What it may be, in words.
    """
    return ArgumentTypeError(f"is {text!r}; allowed: {allowed}")


def _number(text: str, allowed: Callable[[float], bool], words: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not allowed(value):
        raise not_allowed(text, words)
    return value
