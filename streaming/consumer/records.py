"""From the Kinesis records of an invocation to the user records in them.

A Kinesis record holds one user record, plain or gzipped, or it is an aggregated record of the
Kinesis Producer Library with many of them.
"""

import binascii
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from streaming.aggregation import AGGREGATE_MAGIC, deaggregate
from streaming.arns import stream_of_arn
from streaming.errors import CorruptRecord, UnexpectedEvent, excerpt
from streaming.timestamps import LAST_SECOND

EVENT_SOURCE = "aws:kinesis"
SOURCE = re.compile(r"aws:[A-Za-z0-9]{1,32}")

GZIP_MAGIC = b"\x1f\x8b"
GZIP_FORMAT = 16 + zlib.MAX_WBITS
GZIP_CHUNK = 32 * 1024
"""What follows a member is copied: with the whole rest of many members, that would be quadratic."""

DECOMPRESSED_LIMIT = 10 * 1024 * 1024
"""Bytes that gzip may decompress to: the largest record that a stream can be configured for."""

SEQUENCE_NUMBER_DIGITS = 128
TEXT_CHARACTERS = 512
"""An event id is a shard id and a sequence number of at most 128 characters each."""


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """What a producer put, and where it came from.

    Attributes:
        data: The bytes as they were received, still gzipped if they were.
        event_id: `shardId:sequenceNumber`, with `:index` for an entry of an aggregated record; None
            if Lambda sent none.
        sequence_number: The Kinesis record's; None if Lambda sent none.
        partition_key: The producer's.
        arrived_at: Approximate arrival on the stream, seconds since the epoch.
        explicit_hash_key: The producer's, if it is known: Kinesis returns it only in aggregated
            records.
        arrival_known: Whether Lambda sent a valid arrival; if not, the current time was taken.
        decode_error: Why the data cannot be read, if that is already known. Not an exception: its
            traceback would keep the user record alive, in a cycle that is never collected
            (gc=False).
        index: The position of an entry in its aggregated record; 0 for any other record.
    """

    data: bytes
    event_id: str | None
    sequence_number: str | None
    partition_key: str | None
    arrived_at: float
    decode_error: str | None = None
    explicit_hash_key: str | None = None
    arrival_known: bool = True
    index: int = 0

    def content(self) -> bytes:
        """Return the data, decompressed.

        Raises:
            CorruptRecord: It cannot be read.
        """
        if self.decode_error is not None:
            raise CorruptRecord(self.decode_error)
        return gunzip(self.data) if self.data.startswith(GZIP_MAGIC) else self.data


def kinesis_records(event: Any) -> list[Any]:
    """Return the Kinesis records of an invocation.

    Raises:
        UnexpectedEvent: The invocation is not a batch from a Kinesis stream.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise UnexpectedEvent(
            f"expected a batch from Kinesis, an object with a list Records; got {_shape(event)}"
        )
    first = records[0] if records else None
    if isinstance(first, dict):
        source = first.get("eventSource", first.get("EventSource", EVENT_SOURCE))
        if source != EVENT_SOURCE:
            shown = source if isinstance(source, str) and SOURCE.fullmatch(source) else "another"
            raise UnexpectedEvent(f"expected records from {EVENT_SOURCE}; got {shown}")
    return records


def _shape(event: Any) -> str:
    """Return what an event is, without anything that is in it: it is logged."""
    size = f" of {len(event)}" if isinstance(event, dict | list | str) else ""
    has_records = ", with Records" if isinstance(event, dict) and "Records" in event else ""
    return f"{type(event).__name__}{size}{has_records}"


def stream_name(records: Sequence[Any]) -> str | None:
    """Return the name in the records' ARN; None if there is none, or it is malformed."""
    first = records[0] if records else None
    return stream_of_arn(first.get("eventSourceARN")) if isinstance(first, dict) else None


def user_records(
    records: Sequence[Any],
    now: float,
    *,
    binary: bool = False,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[UserRecord]:
    """Yield the user records of Kinesis records, in order; unreadable ones carry a decode error.

    Args:
        records: `Records` of the invocation, in the shape of Lambda's Kinesis event.
        now: Seconds since the epoch: the arrival of a record without a timestamp.
        binary: Whether a damaged aggregated record is plain data, as it is to the KCL.
        is_over: Returns whether time is up. From then on aggregated records, except the first of
            the batch, are yielded as they are: the caller fails what it gets after that.

    Yields:
        One at a time: 6 MB of aggregated records can hold a million user records.
    """
    for record in records:
        try:
            user_record = _user_record(record, record["kinesis"], now)
        except (KeyError, TypeError, AttributeError):
            user_record = _malformed(record, now)
        is_aggregated = user_record.decode_error is None and user_record.data.startswith(
            AGGREGATE_MAGIC
        )
        if is_aggregated and (record is records[0] or not is_over()):
            yield from _deaggregated(user_record, binary=binary)
        else:
            yield user_record


def _user_record(record: Any, kinesis: Any, now: float) -> UserRecord:
    decode_error = None
    text = kinesis["data"]
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        try:
            data = binascii.a2b_base64(_canonical(text), strict_mode=True)
        except ValueError:
            data = text.encode("utf-8", "replace")
            decode_error = "kinesis.data is not base64"
    arrived_at = _seconds(kinesis.get("approximateArrivalTimestamp"))
    return UserRecord(
        data,
        _text(record.get("eventID")),
        _sequence_number(kinesis.get("sequenceNumber")),
        _text(kinesis.get("partitionKey")),
        now if arrived_at is None else arrived_at,
        decode_error,
        None,
        arrived_at is not None,
    )


def _canonical(text: str) -> str:
    """Drop what other consumers of Lambda's records ignore: line breaks, spaces around, padding."""
    text = text.strip().replace("\r", "").replace("\n", "")
    digits = text.rstrip("=")
    padding = -len(digits) % 4
    return digits + "=" * padding if len(text) - len(digits) > padding else text


def _malformed(record: Any, now: float) -> UserRecord:
    """Return a user record for a record without `kinesis.data`: its JSON is the data."""
    envelope = record if isinstance(record, dict) else {}
    kinesis = envelope.get("kinesis")
    kinesis = kinesis if isinstance(kinesis, dict) else {}
    arrived_at = _seconds(kinesis.get("approximateArrivalTimestamp"))
    return UserRecord(
        _as_json(record),
        _text(envelope.get("eventID")),
        _sequence_number(kinesis.get("sequenceNumber")),
        _text(kinesis.get("partitionKey")),
        now if arrived_at is None else arrived_at,
        "the record has no text under kinesis.data",
        None,
        arrived_at is not None,
    )


def _as_json(record: Any) -> bytes:
    try:
        return json.dumps(record).encode()
    except (RecursionError, TypeError, ValueError):  # nested too deep, or not from JSON
        return excerpt(record).encode()


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > TEXT_CHARACTERS:
        return None
    return value if value.isascii() or _is_utf8(value) else None


def _is_utf8(text: str) -> bool:
    """Return whether UTF-8 can encode a text: JSON can carry lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sequence_number(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > SEQUENCE_NUMBER_DIGITS:
        return None
    return value if value.isascii() and value.isdecimal() else None


def _seconds(value: Any) -> float | None:
    is_number = type(value) is float or type(value) is int  # true is an int to isinstance
    return float(value) if is_number and 0 <= value <= LAST_SECOND else None


def gunzip(data: bytes) -> bytes:
    """Decompress gzip of one or several members.

    Raises:
        CorruptRecord: It is damaged, truncated, or decompresses to more than
            `DECOMPRESSED_LIMIT` bytes.
    """
    parts: list[bytes] = []
    position, left = 0, DECOMPRESSED_LIMIT
    while position < len(data):
        member = zlib.decompressobj(wbits=GZIP_FORMAT)
        while not member.eof:
            chunk = data[position : position + GZIP_CHUNK]
            if not chunk:
                raise CorruptRecord("damaged gzip: it is truncated", reason="damaged gzip")
            try:
                parts.append(member.decompress(chunk, left + 1))
            except zlib.error as error:
                raise CorruptRecord(f"damaged gzip: {error}", reason="damaged gzip") from error
            left -= len(parts[-1])
            if left < 0:
                raise CorruptRecord(
                    f"gzip that decompresses to more than {DECOMPRESSED_LIMIT} bytes"
                )
            position += len(chunk) - len(member.unused_data)
        while data[position : position + 1] == b"\0":  # some writers pad members
            position += 1
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _deaggregated(parent: UserRecord, *, binary: bool) -> Iterator[UserRecord]:
    """Yield the entries of an aggregated record; if it is corrupt, the record with its error."""
    try:
        entries = deaggregate(parent.data)
    except CorruptRecord as error:
        yield parent if binary else msgspec.structs.replace(parent, decode_error=str(error))
        return
    for index, (partition_key, data, decode_error, hash_key) in enumerate(entries):
        yield UserRecord(
            data,
            None if parent.event_id is None else f"{parent.event_id}:{index}",
            parent.sequence_number,
            partition_key,
            parent.arrived_at,
            decode_error,
            hash_key,
            parent.arrival_known,
            index,
        )
