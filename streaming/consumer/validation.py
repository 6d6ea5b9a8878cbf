"""What is wrong with an event that msgspec refuses: which field, its value, what is allowed.

msgspec tells the field and the rule in one go with decoding, which costs a good event nothing; the
value is looked up only then.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from streaming.errors import InvalidEvent

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Everything that decoding arbitrary bytes with msgspec raises."""

WHOLE_EVENT = "event"
"""The name of the event as a whole, among the names of fields."""

LOOKUP_BYTES = 8 * 1024
"""Of a larger event no value is shown: looking it up takes long, and a hundred times its memory."""

# The ends of msgspec's messages: "Expected `int`, got `str` - at `$.ride.PULocationID`" and "Object
# missing required field `ride_id`".
PATH = re.compile(r"`\$\.?([^`]*)`$")
MISSING = re.compile(r"missing required field `(\w+)`")


class _Verbatim:
    """A number as it stands in the text, however long; or the word for what is not there."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class _NotANumber(_Verbatim):
    """What Python's JSON reader takes for a number and JSON does not know: NaN and Infinity."""

    __slots__ = ()


class _NotShown(_Verbatim):
    """Words in place of any value of an event, and of the event itself."""

    __slots__ = ()


def invalid_event(content: bytes, error: Exception, allowed: Mapping[str, str]) -> InvalidEvent:
    """Say why an event was refused.

    Args:
        content: The event.
        error: What decoding it raised, one of `DECODE_ERRORS`.
        allowed: What each field may hold, in words, by its path (such as `ride.PULocationID`); and
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
