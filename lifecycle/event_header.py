"""The field that says of which type an event is."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

ESCAPED_CHARACTER = len(r"\u0072")
r"""The longest that JSON writes a character: `\u0072`."""


class EventHeader(msgspec.Struct, frozen=True, gc=False):
    """It is not read yet: a short record can hold a value that needs hundreds of megabytes."""

    event_type: Raw | UnsetType = UNSET


_decode_header = msgspec.json.Decoder(EventHeader).decode
_decode_any = msgspec.json.Decoder().decode


def is_of_type(event_type: str, content: bytes, *, by_default: bool = False) -> bool:
    """Return whether an event is of a type, in any spelling that JSON allows.

    Args:
        event_type: The type.
        content: The event.
        by_default: Whether one without a type is.

    Raises:
        msgspec.MsgspecError: The event is not a JSON object, or its type is not JSON; the other
            errors of `streaming.DECODE_ERRORS` likewise.
    """
    if not content.isascii():
        content.decode()  # the decoder does not validate UTF-8 in fields it ignores
    found = _decode_header(content).event_type
    if found is UNSET:
        return by_default
    if len(found) > len('""') + ESCAPED_CHARACTER * len(event_type):
        return False
    return bool(_decode_any(found) == event_type)
