"""From a Kinesis record, as Lambda hands it over, to the user records in it.

A record holds one payload, plain or gzipped, or an aggregate of the Kinesis Producer Library with
many of them.
"""

import binascii
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from streaming.aggregation import AGGREGATE_MAGIC, deaggregate
from streaming.errors import CorruptRecord, UnexpectedEvent, excerpt

EVENT_SOURCE = "aws:kinesis"

GZIP_MAGIC = b"\x1f\x8b"

UNPACKED_LIMIT = 10 * 1024 * 1024
"""Bytes that a gzipped payload may unpack to: the largest record a stream may be set to take."""

SEQUENCE_NUMBER_DIGITS = 128
TEXT_CHARACTERS = 512
"""A record's id is a shard's and a sequence number of at most 128 characters each."""

STREAM_ARN = re.compile(
    r"arn:[^:]*:kinesis:[^:]*:[^:]*:stream/([a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,127})"
)

LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z in seconds since the epoch: no later date can be written."""


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """One producer's message, and where it came from.

    Attributes:
        data: The bytes as they were received: still gzipped if they came so.
        event_id: `shardId:sequenceNumber`, with `:index` inside an aggregate; None where Lambda
            gave none.
        sequence_number: The Kinesis record's; None where Lambda gave none.
        partition_key: The producer's.
        arrived_at: Arrival on the stream, seconds since the epoch.
        decode_error: Why it cannot be read, if that is known already. It is no exception: one
            that was raised holds its frames and they hold the payload, a circle that is never
            collected (gc=False).
    """

    data: bytes
    event_id: str | None
    sequence_number: str | None
    partition_key: str | None
    arrived_at: float
    decode_error: str | None = None

    def content(self) -> bytes:
        """Give the message itself, unpacked.

        Raises:
            CorruptRecord: It cannot be read.
        """
        if self.decode_error is not None:
            raise CorruptRecord(self.decode_error)
        return gunzip(self.data) if self.data.startswith(GZIP_MAGIC) else self.data


def kinesis_records(event: Any) -> list[Any]:
    """Give the records of an invocation.

    Raises:
        UnexpectedEvent: The invocation is not a batch from a Kinesis stream.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise UnexpectedEvent(
            f"expected a batch from Kinesis, an object with a list Records; got {excerpt(event)}"
        )
    first = records[0] if records else None
    if isinstance(first, dict):
        source = first.get("eventSource", first.get("EventSource", EVENT_SOURCE))
        if source != EVENT_SOURCE:
            raise UnexpectedEvent(f"expected records from {EVENT_SOURCE}; got {excerpt(source)}")
    return records


def stream_name(records: Sequence[Any]) -> str | None:
    """Give the stream that records came from; None if they do not say, or not in AWS's form."""
    first = records[0] if records else None
    arn = first.get("eventSourceARN") if isinstance(first, dict) else None
    match = STREAM_ARN.fullmatch(arn) if isinstance(arn, str) else None
    return match[1] if match else None


def user_records(records: Sequence[Any], now: float) -> Iterator[UserRecord]:
    """Give every payload of some records, in order; unreadable ones carry their decode_error.

    Args:
        records: `Records` of the invocation, in the shape of Lambda's Kinesis event.
        now: Seconds since the epoch: the arrival of a record that does not say its own.

    Yields:
        The user records one by one: aggregates in 6 MB of records can hold a million of them.
    """
    for record in records:
        try:
            payload = _payload(record, record["kinesis"], now)
        except (KeyError, TypeError, AttributeError):
            payload = _malformed(record, now)
        if payload.decode_error is None and payload.data.startswith(AGGREGATE_MAGIC):
            yield from _aggregated(payload)
        else:
            yield payload


def _payload(record: Any, kinesis: Any, now: float) -> UserRecord:
    decode_error = None
    try:
        data = binascii.a2b_base64(kinesis["data"], strict_mode=True)
    except ValueError:
        data = str(kinesis["data"]).encode("utf-8", "replace")
        decode_error = "kinesis.data is not base64"
    return UserRecord(
        data,
        _text(record.get("eventID")),
        _sequence_number(kinesis.get("sequenceNumber")),
        _text(kinesis.get("partitionKey")),
        _seconds(kinesis.get("approximateArrivalTimestamp"), now),
        decode_error,
    )


def _malformed(record: Any, now: float) -> UserRecord:
    """Keep a record that has no `kinesis.data` of its kind: its JSON is its data."""
    envelope = record if isinstance(record, dict) else {}
    kinesis = envelope.get("kinesis")
    kinesis = kinesis if isinstance(kinesis, dict) else {}
    return UserRecord(
        _as_json(record),
        _text(envelope.get("eventID")),
        _sequence_number(kinesis.get("sequenceNumber")),
        _text(kinesis.get("partitionKey")),
        _seconds(kinesis.get("approximateArrivalTimestamp"), now),
        "the record has no text under kinesis.data",
    )


def _as_json(record: Any) -> bytes:
    try:
        return json.dumps(record).encode()
    except (RecursionError, TypeError, ValueError):  # nested too deep, or it never was JSON
        return excerpt(record).encode()


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > TEXT_CHARACTERS:
        return None
    return value if value.isascii() or _is_utf8(value) else None


def _is_utf8(text: str) -> bool:
    """Tell whether a text can be written down; JSON can carry halves of characters, which not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sequence_number(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > SEQUENCE_NUMBER_DIGITS:
        return None
    return value if value.isascii() and value.isdecimal() else None


def _seconds(value: Any, now: float) -> float:
    if isinstance(value, int | float) and 0 <= value <= LAST_SECOND:
        return float(value)
    return now


def gunzip(data: bytes) -> bytes:
    """Unpack gzip, one member or several.

    Raises:
        CorruptRecord: It is damaged, cut short, or unpacks to more than `UNPACKED_LIMIT` bytes.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(UNPACKED_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        # The error may show bytes of the payload, which must not be logged.
        raise CorruptRecord(f"damaged gzip: {error}", reason="damaged gzip") from error
    if len(unpacked) > UNPACKED_LIMIT:
        raise CorruptRecord(f"gzip that unpacks to more than {UNPACKED_LIMIT} bytes")
    return unpacked


def _aggregated(parent: UserRecord) -> Iterator[UserRecord]:
    """Return the user records of an aggregate; if it cannot be opened, itself with its error."""
    try:
        entries = deaggregate(parent.data)
    except CorruptRecord as error:
        yield msgspec.structs.replace(parent, decode_error=str(error))
        return
    for index, (partition_key, data, decode_error) in enumerate(entries):
        yield UserRecord(
            data,
            None if parent.event_id is None else f"{parent.event_id}:{index}",
            parent.sequence_number,
            partition_key,
            parent.arrived_at,
            decode_error,
        )
