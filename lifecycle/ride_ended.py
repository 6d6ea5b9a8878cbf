"""The `ride_ended` event: what really happened to a ride, for whoever compares predictions with it.

The ride function skips it, as it skips every event type that is not its own.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lifecycle.event_header import is_of_type
from lifecycle.event_time import in_utc
from streaming import DECODE_ERRORS, WHOLE_EVENT, InvalidEvent, invalid_event

EVENT_TYPE = "ride_ended"


class RideEnded(msgspec.Struct, frozen=True, gc=False):
    """A ride that has ended.

    Attributes:
        event_type: Always `ride_ended`; without it, an event is a `ride_started`.
        ride_id: That of the ride's `ride_started` event.
        dropoff_datetime: ISO 8601; New York local time if it has no UTC offset; absent: the
            record's arrival.
        tip_amount: US dollars; null if not known.
        payment_type: TLC payment code: 1 card, 2 cash; 0 and 3 to 6 are rare.
    """

    event_type: Literal["ride_ended"]
    ride_id: (
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
        | Annotated[str, Meta(min_length=1, max_length=128)]
    )
    dropoff_datetime: Annotated[str, Meta(max_length=64)] | None = None
    tip_amount: Annotated[float, Meta(ge=0, le=1000)] | None = None
    payment_type: Annotated[int, Meta(ge=0, le=6)] | None = None


ALLOWED = {
    WHOLE_EVENT: "a JSON object in UTF-8",
    "ride_id": "a 64-bit integer or a string of 1 to 128 characters",
    "dropoff_datetime": "an ISO 8601 date and time, or null",
    "tip_amount": "a number from 0 to 1000 (US dollars), or null",
    "payment_type": "an integer from 0 to 6 (a TLC payment code), or null",
}


_decode_event = msgspec.json.Decoder(RideEnded).decode


def decode_ride_ended(content: bytes) -> RideEnded | None:
    """Decode a user record.

    Args:
        content: JSON in UTF-8.

    Returns:
        The event; None if its `event_type` is absent or not `ride_ended`.

    Raises:
        InvalidEvent: The event violates the contract.
    """
    try:
        if not is_of_type(EVENT_TYPE, content):
            return None
        event = _decode_event(content)
    except DECODE_ERRORS as error:
        raise invalid_event(content, error, ALLOWED) from error
    if event.dropoff_datetime is not None:
        _in_utc(event.dropoff_datetime)
    return event


def ended_at(event: RideEnded, arrived_at: datetime) -> datetime:
    """Return when a ride ended, in UTC.

    Args:
        event: From `decode_ride_ended`.
        arrived_at: The record's arrival.
    """
    return arrived_at if event.dropoff_datetime is None else _in_utc(event.dropoff_datetime)


def _in_utc(text: str) -> datetime:
    try:
        return in_utc(text)
    except (ValueError, OverflowError) as error:
        field = "dropoff_datetime"
        raise InvalidEvent(field, text, ALLOWED[field]) from error
