"""The partition key of an event that a person puts."""

import msgspec

from streaming import DECODE_ERRORS

DEFAULT_FIELD = "ride_id"
KEY_HELP = "the field that is the partition key, such as machine or device.id; default: %(default)s"

KEY_VALUE = "with a number or a string that is not empty"


def event_key(data: bytes, field: str) -> str | None:
    """Return the value of an event's field as a partition key.

    Args:
        data: The event, which may be anything.
        field: A field of a JSON object; dots separate the names of nested ones.

    Returns:
        The string, or the number as text; None if there is no such value.
    """
    try:
        value = msgspec.json.decode(data)
        for name in field.split("."):
            value = value[name]
    except (*DECODE_ERRORS, TypeError, LookupError):
        return None
    return str(value) or None if isinstance(value, str | int | float) else None
