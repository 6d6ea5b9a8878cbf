"""The tables of an archive for any model: events and predictions as the JSON that they are."""

from datetime import datetime
from typing import Annotated

import msgspec

from streaming.archive.table import Column, Row, Table
from streaming.consumer.validation import WHOLE_EVENT, invalid_event
from streaming.errors import DECODE_ERRORS
from streaming.reader.shard_reader import StreamRecord

ALLOWED = {WHOLE_EVENT: "a JSON object in UTF-8"}


class _Predicted(msgspec.Struct):
    event_id: str | None
    model: str
    version: str
    prediction: msgspec.Raw
    arrived_at: Annotated[datetime, msgspec.Meta(tz=True)]
    stream: str | None = None


class _Event(msgspec.Struct):
    pass


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_predicted = msgspec.json.Decoder(_Predicted).decode


def _event(record: StreamRecord, content: bytes) -> Row:
    try:
        _decode_event(content)
        text = content.decode()
    except DECODE_ERRORS as error:
        raise invalid_event(content, error, ALLOWED) from error
    return record.event_id, record.partition_key, record.arrived_at, text


def _predicted(record: StreamRecord, content: bytes) -> Row:
    try:
        event = _decode_predicted(content)
        text = bytes(event.prediction).decode()
    except DECODE_ERRORS as error:
        raise invalid_event(content, error, ALLOWED) from error
    return (
        event.event_id,
        event.model,
        event.version,
        event.stream,
        record.partition_key,
        event.arrived_at,
        record.arrived_at,
        text,
    )


EVENTS = (
    Table(
        "events",
        1,
        (
            Column("event_id", "text", "the event's shard and sequence number"),
            Column("partition_key", "text", "the producer's"),
            Column("arrived_at", "timestamp", "the event's arrival on the stream"),
            Column("event", "text", "JSON"),
        ),
        _event,
    ),
)
PREDICTIONS = (
    Table(
        "predictions",
        1,
        (
            Column("event_id", "text", "that of the event that is predicted"),
            Column("model", "text", "the model's name"),
            Column("version", "text", "the model's version"),
            Column("stream", "text", "the stream that the event was on"),
            Column("partition_key", "text", "the prediction's"),
            Column("arrived_at", "timestamp", "the event's arrival on its stream"),
            Column("published_at", "timestamp", "the prediction's arrival on its stream"),
            Column("prediction", "text", "JSON"),
        ),
        _predicted,
        deduplicated=True,
    ),
)
