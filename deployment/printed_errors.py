"""What a program that failed has printed, as one line."""

import re
from itertools import groupby

COLOR = re.compile(r"\x1b\[[0-9;]*m")
BORDER = "│╷╵ \t"
PLACE = "on "
"""How Terraform begins the paragraph that quotes the line at fault."""


def first_error(text: str) -> str:
    """Return Terraform's first error: what it is, and the paragraph that explains it.

    Args:
        text: What the program has printed: paragraphs, perhaps with a border and in color.

    Returns:
        A line that begins with `Error: `; empty if there is no error.
    """
    found = _paragraphs(text)
    for place, (first, *more) in enumerate(found):
        if first.startswith("Error: "):
            explanation = next(
                (each for each in found[place + 1 :] if not each[0].startswith(PLACE)), []
            )
            if more or not explanation or explanation[0].startswith(("Error: ", "Warning: ")):
                return " ".join([first, *more])
            return f"{first}: {' '.join(explanation)}"
    return ""


def last_line(text: str) -> str:
    """Return the last line that is not empty; empty if there is none."""
    return next((each[-1] for each in reversed(_paragraphs(text))), "")


def _paragraphs(text: str) -> list[list[str]]:
    lines = [line.strip(BORDER) for line in COLOR.sub("", text).splitlines()]
    return [list(group) for filled, group in groupby(lines, key=bool) if filled]
