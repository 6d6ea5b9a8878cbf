"""Reads what is shown of a ride from the records of its streams.

Anybody may put anything on a stream: what is not a ride is no error here.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from streaming import DECODE_ERRORS, StreamRecord

RIDE_STARTED = "ride_started"
RIDE_ENDED = "ride_ended"
TEXT_LIMIT = 200
"""Characters that are kept of what a producer chose: a name, an id, another model's prediction."""

CARD = 1
"""TLC's payment code."""

NEW_YORK = ZoneInfo("America/New_York")

Zone = Annotated[int, Meta(ge=1, le=265)]
Route = tuple[int, int]
_RideId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[str, Meta(max_length=128)]


class _Ride(msgspec.Struct):
    PULocationID: Zone
    DOLocationID: Zone
    pickup_datetime: Any = None


class _Event(msgspec.Struct):
    ride_id: _RideId
    ride: _Ride | None = None
    event_type: str = RIDE_STARTED
    dropoff_datetime: Any = None
    tip_amount: Any = None
    payment_type: Any = None


class _EventType(msgspec.Struct):
    event_type: str


class _RouteOnly(msgspec.Struct):
    ride: _Ride


class _Values(msgspec.Struct):
    ride_duration: float | None = None
    ride_duration_low: float | None = None
    ride_duration_high: float | None = None
    ride_tip: float | None = None


class _Predicted(msgspec.Struct):
    prediction: msgspec.Raw
    event_id: Annotated[str, Meta(max_length=512)] | None = None
    arrived_at: datetime | None = None
    model: Any = None
    version: Any = None


class Started(msgspec.Struct, frozen=True):
    """A ride that has started.

    Attributes:
        ride: Its id as text.
        route: Pickup and dropoff zone.
        at: The pickup; timezone-aware.
    """

    ride: str
    route: Route
    at: datetime


class Ended(msgspec.Struct, frozen=True):
    """A ride that has ended.

    Attributes:
        ride: Its id as text.
        at: The dropoff; timezone-aware.
        tip: US dollars; None if not known, as after a payment in cash.
    """

    ride: str
    at: datetime
    tip: float | None


class Predicted(msgspec.Struct, frozen=True):
    """A prediction as it was read from its stream.

    Attributes:
        ride: The partition key, which is the ride's id as text.
        event_id: The predicted event's; None if it has none.
        model: The model's name, or `-`.
        version: The model's version, or `-`.
        duration: Minutes; None if not predicted.
        low: The lower end of the duration's range, minutes; None without both ends.
        high: Its upper end.
        tip: US dollars; None if not predicted.
        text: The prediction as JSON, if it has neither duration nor tip: another kind of model's;
            its first 200 characters.
        arrived_at: When the predicted event arrived on its stream; None if not known.
        latency: Seconds from then until the prediction arrived on its own; None if not known.
    """

    ride: str
    event_id: str | None
    model: str
    version: str
    duration: float | None
    low: float | None
    high: float | None
    tip: float | None
    text: str | None
    arrived_at: datetime | None
    latency: float | None


def decode_event(record: StreamRecord) -> Started | Ended | None:
    """Return the start or the end of a ride; None if the record is neither."""
    try:
        event = msgspec.json.decode(record.data, type=_Event)
        if event.event_type == RIDE_ENDED:
            at = _instant(event.dropoff_datetime, record.arrived_at)
            return Ended(str(event.ride_id), at, _tip(event))
        if event.event_type == RIDE_STARTED and event.ride is not None:
            at = _instant(event.ride.pickup_datetime, record.arrived_at)
            return Started(str(event.ride_id), _route(event.ride), at)
    except (*DECODE_ERRORS, ValueError, OverflowError):
        return None
    return None


def is_end(data: bytes) -> bool:
    """Return whether a record is the end of a ride, by its event type alone."""
    if RIDE_ENDED.encode() not in data:  # most events need no decoding
        return False
    try:
        return msgspec.json.decode(data, type=_EventType).event_type == RIDE_ENDED
    except DECODE_ERRORS:
        return False


def decode_route(data: bytes) -> Route | None:
    """Return the zones of a ride that starts, whatever else its event holds; None without any."""
    try:
        return _route(msgspec.json.decode(data, type=_RouteOnly).ride)
    except DECODE_ERRORS:
        return None


def decode_prediction(record: StreamRecord) -> Predicted | None:
    """Return a prediction of any model; None if the record is none."""
    try:
        event = msgspec.json.decode(record.data, type=_Predicted)
        values, text = _values(event.prediction)
    except DECODE_ERRORS:
        return None
    arrived_at = event.arrived_at
    if arrived_at is not None and arrived_at.tzinfo is None:
        arrived_at = None
    latency = (record.arrived_at - arrived_at).total_seconds() if arrived_at else None
    low, high = values.ride_duration_low, values.ride_duration_high
    if low is None or high is None:
        low = high = None
    return Predicted(
        ride=record.partition_key,
        event_id=event.event_id,
        model=_text(event.model),
        version=_text(event.version),
        duration=values.ride_duration,
        low=low,
        high=high,
        tip=values.ride_tip,
        text=text,
        arrived_at=arrived_at,
        latency=latency,
    )


def _route(ride: _Ride) -> Route:
    return ride.PULocationID, ride.DOLocationID


def _values(prediction: msgspec.Raw) -> tuple[_Values, str | None]:
    try:
        values = msgspec.json.decode(prediction, type=_Values)
    except msgspec.ValidationError:
        values = _Values()
    if values.ride_duration is values.ride_tip is None:
        return values, msgspec.json.format(bytes(prediction), indent=-1).decode()[:TEXT_LIMIT]
    return values, None


def _instant(text: object, arrived_at: datetime) -> datetime:
    """Return an event's time; without an offset it is New York's, without a time its arrival."""
    if text is None:
        return arrived_at
    named = datetime.fromisoformat(str(text))
    return (named if named.tzinfo else named.replace(tzinfo=NEW_YORK)).astimezone(UTC)


def _tip(event: _Event) -> float | None:
    tip = event.tip_amount
    is_number = isinstance(tip, int | float) and not isinstance(tip, bool)
    # Tips in cash are not recorded: TLC's records have 0 (data dictionary, tip_amount).
    return float(tip) if is_number and event.payment_type in (None, CARD) else None


def _text(value: object) -> str:
    return value[:TEXT_LIMIT] if isinstance(value, str) else "-"
