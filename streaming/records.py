"""From a Kinesis record, as Lambda hands it over, to the payloads that are in it.

A record holds one payload, plain or gzipped, or an aggregate of the Kinesis Producer Library with
many of them. The aggregate's format: amazon-kinesis-producer, aggregation-format.md.
"""

import binascii
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from streaming.errors import CorruptRecord, Poison, UnexpectedEvent, excerpt

EVENT_SOURCE = "aws:kinesis"

GZIP_MAGIC = b"\x1f\x8b"
AGGREGATE_MAGIC = b"\xf3\x89\x9a\xc2"
DIGEST_BYTES = 16

UNPACKED_LIMIT = 10 * 1024 * 1024
"""Bytes that a gzipped payload may unpack to: the largest record a stream may be set to take."""

ENTRIES_LIMIT = 50_000
"""Entries an aggregate may hold; what a record of 1 MiB holds in earnest is far below."""

SEQUENCE_NUMBER_DIGITS = 128

STREAM_ARN = re.compile(
    r"arn:[^:]*:kinesis:[^:]*:[^:]*:stream/([a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,127})"
)

YEAR_10000 = 253_402_300_800
"""Seconds since the epoch: no date from here on can be written."""

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
VARINT_BITS = 64


class Payload(msgspec.Struct, frozen=True, gc=False):
    """One producer's message, and where it came from.

    Attributes:
        data: The bytes as they were received: still gzipped if they came so.
        event_id: `shardId:sequenceNumber`, with `:index` inside an aggregate; None where Lambda
            gave none.
        sequence_number: The Kinesis record's; None where Lambda gave none.
        partition_key: The producer's.
        arrived_at: Arrival on the stream, seconds since the epoch.
        flaw: Why the payload cannot be read, if that is known already.
    """

    data: bytes
    event_id: str | None
    sequence_number: str | None
    partition_key: str | None
    arrived_at: float
    flaw: Poison | None = None

    def content(self) -> bytes:
        """Give the message itself, unpacked.

        Raises:
            CorruptRecord: It cannot be read.
        """
        if self.flaw is not None:
            raise self.flaw
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


def payloads(records: Sequence[Any], now: float) -> list[Payload]:
    """Give every payload of some records, in order; unreadable ones carry their flaw.

    Args:
        records: `Records` of the invocation, in the shape of Lambda's Kinesis event.
        now: Seconds since the epoch: the arrival of a record that does not say its own.
    """
    found: list[Payload] = []
    for record in records:
        try:
            payload = _payload(record, record["kinesis"], now)
        except (KeyError, TypeError, AttributeError):
            payload = _misshapen(record, now)
        if payload.flaw is None and payload.data.startswith(AGGREGATE_MAGIC):
            found.extend(_aggregated(payload))
        else:
            found.append(payload)
    return found


def _payload(record: Any, kinesis: Any, now: float) -> Payload:
    flaw = None
    try:
        data = binascii.a2b_base64(kinesis["data"], strict_mode=True)
    except ValueError:
        data = str(kinesis["data"]).encode("utf-8", "replace")
        flaw = CorruptRecord("kinesis.data is not base64")
    return Payload(
        data,
        _text(record.get("eventID")),
        _sequence_number(kinesis.get("sequenceNumber")),
        _text(kinesis.get("partitionKey")),
        _seconds(kinesis.get("approximateArrivalTimestamp"), now),
        flaw,
    )


def _misshapen(record: Any, now: float) -> Payload:
    """Keep a record that has no `kinesis.data` of its kind: its JSON is its data."""
    envelope = record if isinstance(record, dict) else {}
    kinesis = envelope.get("kinesis")
    kinesis = kinesis if isinstance(kinesis, dict) else {}
    return Payload(
        msgspec.json.encode(record),
        _text(envelope.get("eventID")),
        _sequence_number(kinesis.get("sequenceNumber")),
        _text(kinesis.get("partitionKey")),
        _seconds(kinesis.get("approximateArrivalTimestamp"), now),
        CorruptRecord("the record has no text under kinesis.data"),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _sequence_number(value: Any) -> str | None:
    if isinstance(value, str) and value.isdecimal() and len(value) <= SEQUENCE_NUMBER_DIGITS:
        return value
    return None


def _seconds(value: Any, now: float) -> float:
    if isinstance(value, int | float) and 0 <= value < YEAR_10000:
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
        raise CorruptRecord(f"damaged gzip: {error}") from error
    if len(unpacked) > UNPACKED_LIMIT:
        raise CorruptRecord(f"gzip that unpacks to more than {UNPACKED_LIMIT} bytes")
    return unpacked


def _aggregated(parent: Payload) -> Iterator[Payload]:
    """Give the payloads of an aggregate; if it cannot be opened, itself with its flaw."""
    try:
        entries = list(deaggregate(parent.data))
    except CorruptRecord as error:
        yield msgspec.structs.replace(parent, flaw=error)
        return
    for index, (partition_key, data, flaw) in enumerate(entries):
        yield Payload(
            data,
            None if parent.event_id is None else f"{parent.event_id}:{index}",
            parent.sequence_number,
            partition_key,
            parent.arrived_at,
            flaw,
        )


def deaggregate(data: bytes) -> Iterator[tuple[str | None, bytes, CorruptRecord | None]]:
    """Open an aggregate of the Kinesis Producer Library.

    Args:
        data: The magic number, the protobuf message and its MD5.

    Yields:
        For each entry its partition key, its data, and its flaw if that entry alone is damaged (its
        data is then the entry as it stands in the message).

    Raises:
        CorruptRecord: The aggregate as a whole is damaged.
    """
    message = data[len(AGGREGATE_MAGIC) : -DIGEST_BYTES]
    digest = hashlib.md5(message, usedforsecurity=False).digest()
    if len(data) < len(AGGREGATE_MAGIC) + DIGEST_BYTES or digest != data[-DIGEST_BYTES:]:
        raise CorruptRecord("aggregate whose checksum does not match")
    partition_keys: list[bytes] = []
    entries: list[bytes] = []
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            partition_keys.append(value)
        elif number == 3 and isinstance(value, bytes):  # noqa: PLR2004  the format's field number
            entries.append(value)
    if len(entries) > ENTRIES_LIMIT:
        raise CorruptRecord(f"aggregate with {len(entries)} entries; allowed: {ENTRIES_LIMIT}")
    for entry in entries:
        try:
            key, content = _entry(entry, partition_keys)
        except CorruptRecord as flaw:
            yield None, entry, flaw
        else:
            yield key, content, None


def _entry(entry: bytes, partition_keys: Sequence[bytes]) -> tuple[str, bytes]:
    index: int | None = None
    content: bytes | None = None
    for number, value in _fields(entry):
        if number == 1 and isinstance(value, int):
            index = value
        elif number == 3 and isinstance(value, bytes):  # noqa: PLR2004  the format's field number
            content = value
    if content is None:
        raise CorruptRecord("aggregated entry without data")
    if index is None or index >= len(partition_keys):
        raise CorruptRecord(f"aggregated entry whose partition key index is {index}")
    try:
        return partition_keys[index].decode(), content
    except UnicodeDecodeError as error:
        raise CorruptRecord("aggregated entry whose partition key is not UTF-8") from error


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk a protobuf message: the number and the value of each field (protobuf.dev, Encoding)."""
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == LENGTH_DELIMITED:
            length, position = _varint(message, position)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise CorruptRecord(f"aggregate with a field of wire type {wire_type}")
        if length > end - position:
            raise CorruptRecord("aggregate with a field longer than itself")
        yield number, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Read a base-128 integer of at most 64 bits; give it and the position behind it."""
    value = 0
    for shift in range(0, VARINT_BITS + 6, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the continuation bit is not set
            return value, position
    raise CorruptRecord("aggregate with an endless integer")
