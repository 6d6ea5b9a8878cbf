"""Text on its way to a terminal."""

import json


def printable(text: str) -> str:
    r"""Escape, as JSON does, what a terminal would interpret instead of showing it.

    Producers choose their keys and data: control characters move the cursor or set the window's
    title, line breaks imitate lines of the program, and format characters reverse the direction of
    writing. Escaped JSON has the same value as before.

    Returns:
        The text with JSON's escape for each character that is not printable (`str.isprintable`),
        such as `\u001b` for Esc.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in text
    )


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 event` and `2,000 events`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
