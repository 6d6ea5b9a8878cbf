"""Values of command-line options, checked."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable


def whole_number(text: str) -> int:
    """Read a whole number from 1, such as a count of rides."""
    return int(_number(text, lambda value: value >= 1 and value.is_integer(), "1, 2, 3, ..."))


def rate(text: str) -> float:
    """Read a number above 0, such as rides a second."""
    return _number(text, lambda value: 0 < value < math.inf, "a number above 0")


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def _number(text: str, allowed: Callable[[float], bool], words: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not allowed(value):
        raise ArgumentTypeError(f"it is {text!r}; allowed: {words}")
    return value
