"""The archive's tables of rides: `ride_started` and `ride_ended` events, and predictions."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from lifecycle.event_header import is_of_type
from lifecycle.event_time import in_utc
from lifecycle.ride_ended import decode_ride_ended, ended_at
from streaming import DECODE_ERRORS, WHOLE_EVENT, InvalidEvent, StreamRecord, invalid_event
from streaming.archive.table import Column, Row, Table

STARTED, PREDICTED = "ride_started", "ride_predicted"

Zone = Annotated[int, Meta(ge=1, le=265)]
RideId = (
    Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[str, Meta(min_length=1, max_length=128)]
)
Instant = Annotated[datetime, Meta(tz=True)]


class _Ride(msgspec.Struct):
    PULocationID: Zone
    DOLocationID: Zone
    trip_distance: Annotated[float, Meta(ge=0, le=1000)]
    pickup_datetime: Annotated[str, Meta(max_length=64)] | None = None
    passenger_count: Annotated[int, Meta(ge=0, le=9)] | None = None
    payment_type: Annotated[int, Meta(ge=0, le=6)] | None = None


class RideStart(msgspec.Struct):
    """A `ride_started` event; `docs/schemas` has its rules, and a test holds this to them."""

    ride: _Ride
    ride_id: RideId


class _Values(msgspec.Struct):
    ride_id: RideId
    ride_duration: float | None = None
    ride_duration_low: float | None = None
    ride_duration_high: float | None = None
    ride_tip: float | None = None


class _Predicted(msgspec.Struct):
    event_id: str | None
    model: str
    version: str
    prediction: _Values
    arrived_at: Instant
    stream: str | None = None


ALLOWED = {
    WHOLE_EVENT: "a JSON object in UTF-8",
    "ride_id": "a 64-bit integer or a string of 1 to 128 characters",
    "ride": "an object with PULocationID, DOLocationID and trip_distance",
    "ride.pickup_datetime": "an ISO 8601 date and time",
}

_decode_start = msgspec.json.Decoder(RideStart).decode
_decode_predicted = msgspec.json.Decoder(_Predicted).decode


def _started(record: StreamRecord, content: bytes) -> Row | None:
    try:
        if not is_of_type(STARTED, content, by_default=True):
            return None
        event = _decode_start(content)
    except DECODE_ERRORS as error:
        raise invalid_event(content, error, ALLOWED) from error
    ride, field = event.ride, "ride.pickup_datetime"
    try:
        pickup = record.arrived_at if ride.pickup_datetime is None else in_utc(ride.pickup_datetime)
    except (ValueError, OverflowError) as error:
        raise InvalidEvent(field, ride.pickup_datetime, ALLOWED[field]) from error
    return (
        record.event_id,
        str(event.ride_id),
        record.arrived_at,
        pickup,
        ride.PULocationID,
        ride.DOLocationID,
        ride.trip_distance,
        ride.passenger_count,
        ride.payment_type,
    )


def _ended(record: StreamRecord, content: bytes) -> Row | None:
    event = decode_ride_ended(content)
    if event is None:
        return None
    return (
        record.event_id,
        str(event.ride_id),
        record.arrived_at,
        ended_at(event, record.arrived_at),
        event.tip_amount,
        event.payment_type,
    )


def _predicted(record: StreamRecord, content: bytes) -> Row | None:
    try:
        if not is_of_type(PREDICTED, content):
            return None
        event = _decode_predicted(content)
    except DECODE_ERRORS as error:
        raise invalid_event(content, error, ALLOWED) from error
    values = event.prediction
    return (
        event.event_id,
        event.model,
        event.version,
        event.stream,
        str(values.ride_id),
        event.arrived_at,
        record.arrived_at,
        values.ride_duration,
        values.ride_duration_low,
        values.ride_duration_high,
        values.ride_tip,
    )


RIDE_STARTED = Table(
    STARTED,
    1,
    (
        Column("event_id", "text", "the event's shard and sequence number"),
        Column("ride_id", "text", "the ride's id"),
        Column("arrived_at", "timestamp", "the event's arrival on the stream"),
        Column("pickup_datetime", "timestamp", "the pickup; the arrival, if the event has none"),
        Column("PULocationID", "integer", "TLC zone of the pickup"),
        Column("DOLocationID", "integer", "TLC zone of the drop-off"),
        Column("trip_distance", "number", "miles of the estimated route; 0: not known"),
        Column("passenger_count", "integer", "as entered by the driver"),
        Column("payment_type", "integer", "TLC payment code"),
    ),
    _started,
)
RIDE_ENDED = Table(
    "ride_ended",
    1,
    (
        Column("event_id", "text", "the event's shard and sequence number"),
        Column("ride_id", "text", "that of the ride's start"),
        Column("arrived_at", "timestamp", "the event's arrival on the stream"),
        Column("dropoff_datetime", "timestamp", "the drop-off; the arrival, if there is none"),
        Column("tip_amount", "number", "US dollars"),
        Column("payment_type", "integer", "TLC payment code"),
    ),
    _ended,
)
RIDE_PREDICTIONS = Table(
    "predictions",
    1,
    (
        Column("event_id", "text", "that of the event that is predicted"),
        Column("model", "text", "the model's name"),
        Column("version", "text", "the model's version"),
        Column("stream", "text", "the stream that the event was on"),
        Column("ride_id", "text", "the ride's id"),
        Column("arrived_at", "timestamp", "the event's arrival on its stream"),
        Column("published_at", "timestamp", "the prediction's arrival on its stream"),
        Column("ride_duration", "number", "minutes; null if it is not predicted"),
        Column("ride_duration_low", "number", "minutes: its 10 % quantile; null likewise"),
        Column("ride_duration_high", "number", "minutes: its 90 % quantile; null likewise"),
        Column("ride_tip", "number", "US dollars; null if it is not predicted"),
    ),
    _predicted,
    deduplicated=True,
)

EVENTS = (RIDE_STARTED, RIDE_ENDED)
PREDICTIONS = (RIDE_PREDICTIONS,)
