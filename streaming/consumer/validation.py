"""Explain why msgspec rejected an event: the field, its value, what is allowed.

msgspec checks while it decodes and names the field, which costs a valid event nothing. The value is
looked up only after a rejection, by msgspec too: explaining an event costs little more than reading
it.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from streaming.errors import DECODE_ERRORS, VALUE_LIMIT, InvalidEvent

WHOLE_EVENT = "event"
"""The key in `allowed` for the event as a whole."""

LOOKUP_BYTES = 8 * 1024
"""No field of a larger event is shown: gzip makes such events from a few bytes."""

UNDESCRIBED = "what the model's type allows"
"""In place of msgspec's words, which may quote the event: "Invalid enum value 'x'"."""

# msgspec's messages: "Expected `int`, got `str` - at `$.readings[1].celsius`", "Expected `int` >= 1
# - at `$.zone`" and "Object missing required field `ride_id` - at `$.ride`".
PATH = re.compile(r"`\$\.?([^`]*)`$")
MISSING = re.compile(r"Object missing required field `([^`]+)`")
EXPECTED = re.compile(
    r"Expected `[\w |]+`(?: (?:of length )?[<>]=? [\d.e+-]+|, got `\w+`)?(?= - |$)"
)
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
INDEX = re.compile(r"\[\d+\]")
ANY = "[...]"

MALFORMED = re.compile(r"invalid character \(byte (\d+)\)$")
MEMBER = re.compile(rb'"([^"\\]+)"\s*:\s*(-?)$')
MEMBER_BYTES = 256
CONSTANT = re.compile(rb"NaN|Infinity")
"""Not JSON, but Python's encoder writes it."""

MARKER = b"1E999"
MARKED = (MARKER, b"-" + MARKER)
"""A number that stands for a constant, so that a JSON parser reads past it."""

_MISSING = msgspec.Raw(b"")
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Verbatim:
    """A value exactly as in the event, in JSON; or a word in place of one."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def invalid_event(content: bytes, error: Exception, allowed: Mapping[str, str]) -> InvalidEvent:
    """Return the error that explains why an event was rejected.

    Args:
        content: The event.
        error: The error of decoding it, one of `DECODE_ERRORS`.
        allowed: The allowed values in words, by field path and for `WHOLE_EVENT`. A path is such as
            `ride.PULocationID`, or `readings[...].celsius` for every element of a list. They are
            logged; of a field that is not described here, only its type is.
    """
    message = str(error)
    path, missing = PATH.search(message), MISSING.match(message)
    if missing is not None:
        field = f"{path[1]}.{missing[1]}" if path else missing[1]
        return InvalidEvent(field, _Verbatim("missing"), _allowed(field, message, allowed))
    if path is not None and path[1]:
        field = path[1]
        return InvalidEvent(field, _shown(content, field), _allowed(field, message, allowed))
    constant = _constant(content, message, allowed)
    if constant is not None:
        field, value = constant
        return InvalidEvent(field, value, allowed[field])
    return InvalidEvent(WHOLE_EVENT, content, allowed[WHOLE_EVENT])


def _allowed(field: str, message: str, allowed: Mapping[str, str]) -> str:
    described = allowed.get(INDEX.sub(ANY, field))
    if described is not None:
        return described
    expected = EXPECTED.match(message)
    return expected[0] if expected else UNDESCRIBED


def _shown(content: bytes, field: str) -> _Verbatim:
    if len(content) > LOOKUP_BYTES:
        return _Verbatim(f"not shown (the event has {len(content)} bytes)")
    value = _value(content, field)
    return _Verbatim("not shown" if value is None else _printable(value))


def _constant(
    content: bytes, message: str, allowed: Mapping[str, str]
) -> tuple[str, _Verbatim] | None:
    """Find a described field that is NaN or Infinity, which makes the whole event malformed."""
    malformed = MALFORMED.search(message)
    if malformed is None or len(content) > LOOKUP_BYTES:
        return None
    position = int(malformed[1])
    name = MEMBER.search(content, position - MEMBER_BYTES, position)
    constant = CONSTANT.match(content, position)
    if name is None or constant is None:
        return None
    readable = CONSTANT.sub(MARKER, content)
    for field in allowed:
        if field.rpartition(".")[2].encode() == name[1] and _value(readable, field) in MARKED:
            return field, _Verbatim((name[2] + constant[0]).decode())
    return None


def _value(content: bytes, field: str) -> bytes | None:
    """Return a field's JSON; None if it cannot be found."""
    if ANY in field:  # msgspec names no key of a dict
        return None
    value: msgspec.Raw | bytes = content
    try:
        for step in _steps(field):
            value = step(value)
    except (*DECODE_ERRORS, IndexError, ValueError):  # ValueError: a quote in the name
        return None
    return bytes(value) or None


@lru_cache(maxsize=256)
def _steps(field: str) -> list[Callable[[msgspec.Raw | bytes], msgspec.Raw]]:
    return [_element(int(index)) if index else _member(name) for name, index in STEP.findall(field)]


def _member(name: str) -> Callable[[msgspec.Raw | bytes], msgspec.Raw]:
    """Return a function that takes one member out of an object, and builds no other."""
    fields = [("value", msgspec.Raw, _MISSING)]
    struct = msgspec.defstruct("_Member", fields, rename={"value": name})
    decode = msgspec.json.Decoder(struct).decode
    return lambda content: decode(content).value  # type: ignore[attr-defined]


def _element(index: int) -> Callable[[msgspec.Raw | bytes], msgspec.Raw]:
    return lambda content: _decode_list(content)[index]


def _printable(value: bytes) -> str:
    # More than an error shows: it marks what it cuts off.
    text = value.decode("utf-8", "replace")[: 2 * VALUE_LIMIT]
    return text if text.isprintable() else repr(text)[1:-1]
