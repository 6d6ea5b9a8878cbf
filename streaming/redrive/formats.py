"""Reading dead letters of both kinds: this package's records, and the batches Lambda discarded.

An on-failure destination on S3 keeps a discarded batch as one JSON object (Lambda developer guide,
Retain discarded batch records for a Kinesis Data Streams event source). An aggregated record in it
is read as its user records, with the ids that the function gives them: what the function wrote to
the dead letters before Lambda discarded the batch is then the same record, not another one.
"""

import base64
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from streaming.aggregation import AGGREGATE_MAGIC, deaggregate, is_hash_key
from streaming.arns import stream_of_arn
from streaming.dead_letters import UNKNOWN_STREAM, DeadLetterRecord
from streaming.errors import CorruptRecord, InvalidDeadLetter
from streaming.publisher import PARTITION_KEY_CHARACTERS, Entry
from streaming.timestamps import LAST_SECOND, iso_utc

_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError)

_USER_RECORD_ID = re.compile(r"([^:]+:\d+):(\d{1,9})", re.ASCII)
"""The event id of a user record in an aggregated record: `shardId:sequenceNumber:index`."""

_OBJECT_PATH = re.compile(
    r"(?:s3://[^/]+/)?+(?:.*/)?([^/]+)/\d{4}/\d\d/\d\d/[^/]+\.jsonl", re.DOTALL
)
"""Where the function writes: `<stream>/<yyyy>/<mm>/<dd>/<hash>.jsonl`; a bucket is no stream."""


class _Kinesis(msgspec.Struct, rename="camel"):
    partition_key: str
    sequence_number: str
    data: str
    approximate_arrival_timestamp: Annotated[float, Meta(ge=0, le=LAST_SECOND)]


class _Record(msgspec.Struct):
    kinesis: _Kinesis
    event_id: str = msgspec.field(name="eventID")


class _Event(msgspec.Struct):
    records: list[_Record] = msgspec.field(name="Records")


class _RequestContext(msgspec.Struct, rename="camel"):
    condition: str
    approximate_invoke_count: int


class _ResponseContext(msgspec.Struct, rename="camel"):
    function_error: str | None = None


class _BatchInfo(msgspec.Struct, rename="camel"):
    shard_id: str
    stream_arn: str


class _DiscardedBatch(msgspec.Struct, rename="camel"):
    request_context: _RequestContext
    batch_info: _BatchInfo = msgspec.field(name="KinesisBatchInfo")
    payload: str | _Event  # AWS writes the event as text, LocalStack as an object
    response_context: _ResponseContext | None = None


_decode_record = msgspec.json.Decoder(DeadLetterRecord).decode
_decode_discarded_batch = msgspec.json.Decoder(_DiscardedBatch).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def read_dead_letter_records(content: bytes) -> list[DeadLetterRecord]:
    """Read an object of dead letters of either kind.

    Args:
        content: JSON lines, each a `DeadLetterRecord`; or one JSON object of Lambda's. A record
            that Lambda discarded gets Lambda's condition as its `error_type`, such as
            `RetryAttemptsExhausted`.

    Raises:
        InvalidDeadLetter: It is neither, or a record's data is not base64.
    """
    lines = content.splitlines()
    try:
        batch = _decode_discarded_batch(content)
    except _UNREADABLE:
        return [_from_line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    try:
        event = batch.payload if isinstance(batch.payload, _Event) else _decode_event(batch.payload)
        records = [_from_lambda(record, batch) for record in event.records]
        return [user_record for record in records for user_record in _user_records(record)]
    except _UNREADABLE as error:
        raise InvalidDeadLetter(f"the discarded batch is damaged: {error}") from error


def entry_of(record: DeadLetterRecord) -> Entry:
    """Return the entry that puts a record back on a stream, under its producer's keys."""
    entry = Entry(Data=base64.b64decode(record.data), PartitionKey=partition_key(record))
    if record.explicit_hash_key is not None:
        entry["ExplicitHashKey"] = record.explicit_hash_key
    return entry


def partition_key(record: DeadLetterRecord) -> str:
    """Return the producer's partition key; if there is none, another one that Kinesis accepts."""
    key = record.partition_key or record.event_id or record.stream
    return key[:PARTITION_KEY_CHARACTERS]


def aggregated_record_id(record: DeadLetterRecord) -> str | None:
    """Return the event id of the aggregated record that a user record was in; None if in none."""
    match = _USER_RECORD_ID.fullmatch(record.event_id or "")
    return match[1] if match else None


def position(record: DeadLetterRecord) -> tuple[datetime, int, int]:
    """Return what orders records: the arrival, the sequence number and the sub-sequence number."""
    match = _USER_RECORD_ID.fullmatch(record.event_id or "")
    index = int(match[2]) if match else 0
    return datetime.fromisoformat(record.arrived_at), int(record.sequence_number or 0), index


def stream_of_path(path: str) -> str | None:
    """Return the stream whose dead letters the function writes to a path; None if it is not so."""
    match = _OBJECT_PATH.fullmatch(path)
    return match[1] if match else None


def _from_line(number: int, line: bytes) -> DeadLetterRecord:
    try:
        return _checked(_decode_record(line))
    except _UNREADABLE as error:
        raise InvalidDeadLetter(f"line {number} is not a dead-letter record: {error}") from error


def _checked(record: DeadLetterRecord) -> DeadLetterRecord:
    """Reject a record that could not be selected, ordered or put later.

    Raises:
        ValueError: Its data is not base64, its arrival has no UTC offset, its sequence number is
            not an integer, or its explicit hash key is none.
    """
    base64.b64decode(record.data, validate=True)
    int(record.sequence_number or 0)
    if datetime.fromisoformat(record.arrived_at).tzinfo is None:
        raise ValueError("arrived_at has no UTC offset")
    if record.explicit_hash_key is not None and not is_hash_key(record.explicit_hash_key):
        raise ValueError("explicit_hash_key is not an integer below 2**128")
    return record


def _from_lambda(record: _Record, batch: _DiscardedBatch) -> DeadLetterRecord:
    kinesis = record.kinesis
    response = batch.response_context
    outcome = "function error" if response and response.function_error else "batch item failure"
    count = batch.request_context.approximate_invoke_count
    return _checked(
        DeadLetterRecord(
            data=kinesis.data,
            event_id=record.event_id,
            stream=stream_of_arn(batch.batch_info.stream_arn) or UNKNOWN_STREAM,
            shard_id=batch.batch_info.shard_id,
            sequence_number=kinesis.sequence_number,
            partition_key=kinesis.partition_key,
            arrived_at=iso_utc(kinesis.approximate_arrival_timestamp),
            error_type=batch.request_context.condition,
            error_message=f"{outcome}: discarded by Lambda after {count} invocations",
        )
    )


def _user_records(record: DeadLetterRecord) -> Iterator[DeadLetterRecord]:
    """Yield the user records of an aggregated record as the function numbers them; else itself."""
    data = base64.b64decode(record.data)
    try:
        entries = deaggregate(data) if data.startswith(AGGREGATE_MAGIC) else None
    except CorruptRecord:  # which the function keeps whole too
        entries = None
    if entries is None:
        yield record
        return
    for index, (key, entry, _, hash_key) in enumerate(entries):
        yield msgspec.structs.replace(
            record,
            data=base64.b64encode(entry).decode(),
            event_id=f"{record.event_id}:{index}",
            partition_key=key,
            explicit_hash_key=hash_key,
        )
