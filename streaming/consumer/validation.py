"""Explain why msgspec rejected an event: the field, its value, what is allowed.

msgspec checks while it decodes and names the field, which costs a valid event nothing. The value is
looked up only after a rejection.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from streaming.errors import InvalidEvent

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Everything that msgspec raises when it decodes arbitrary bytes."""

WHOLE_EVENT = "event"
"""The key in `allowed` for the event as a whole."""

LOOKUP_BYTES = 8 * 1024
"""No value of a larger event is shown: the lookup is slow and takes a hundred times its memory."""

# The ends of msgspec's messages: "Expected `int`, got `str` - at `$.ride.PULocationID`" and "Object
# missing required field `ride_id`".
PATH = re.compile(r"`\$\.?([^`]*)`$")
MISSING = re.compile(r"missing required field `(\w+)`")


class _Verbatim:
    """A number exactly as in the text, however long; or the word for a missing value."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class _NotANumber(_Verbatim):
    """NaN or Infinity, which Python's JSON parser accepts and JSON does not have."""

    __slots__ = ()


class _NotShown(_Verbatim):
    """Shown in place of every value of an event that is too large."""

    __slots__ = ()


def invalid_event(content: bytes, error: Exception, allowed: Mapping[str, str]) -> InvalidEvent:
    """Return the error that explains why an event was rejected.

    Args:
        content: The event.
        error: The error of decoding it, one of `DECODE_ERRORS`.
        allowed: The allowed values in words, by field path (such as `ride.PULocationID`) and for
            `WHOLE_EVENT`.
    """
    try:
        event = _read(content)
    except (ValueError, RecursionError):
        return InvalidEvent(WHOLE_EVENT, content, allowed[WHOLE_EVENT])
    path, missing = PATH.search(str(error)), MISSING.search(str(error))
    if missing is not None:
        field = f"{path[1]}.{missing[1]}" if path else missing[1]
        return InvalidEvent(field, _Verbatim("missing"), allowed.get(field, str(error)))
    if path is not None:
        field = path[1]
        return InvalidEvent(field, _at(event, field), allowed.get(field, str(error)))
    for field in allowed:
        if isinstance(value := _at(event, field), _NotANumber):
            return InvalidEvent(field, value, allowed[field])
    return InvalidEvent(WHOLE_EVENT, event, allowed[WHOLE_EVENT])


def _read(content: bytes) -> Any:
    if len(content) > LOOKUP_BYTES:
        return _NotShown(f"not shown (the event has {len(content)} bytes)")
    return json.loads(
        content.decode(), parse_int=_Verbatim, parse_float=_Verbatim, parse_constant=_NotANumber
    )


def _at(event: Any, field: str) -> Any:
    if isinstance(event, _NotShown):
        return event
    for name in field.split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event
