"""Dead letters read back: this package's own, and those that Lambda writes when it gives up.

Lambda's on-failure destination on S3 keeps a whole batch as one JSON object (Lambda developer
guide, Retain discarded batch records for a Kinesis Data Streams event source).
"""

import base64
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from streaming.consumer.records import LAST_SECOND
from streaming.dead_letters import UNKNOWN_STREAM, DeadLetterRecord
from streaming.errors import DeadLettersUnreadable
from streaming.publisher import PARTITION_KEY_CHARACTERS, Entry
from streaming.timestamps import iso_utc

_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError)


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
    """Lambda's object."""

    request_context: _RequestContext
    batch_info: _BatchInfo = msgspec.field(name="KinesisBatchInfo")
    payload: str
    response_context: _ResponseContext | None = None


_decode_letter = msgspec.json.Decoder(DeadLetterRecord).decode
_decode_given_up = msgspec.json.Decoder(_DiscardedBatch).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def read_dead_letter_records(content: bytes) -> list[DeadLetterRecord]:
    """Read an object of dead letters of either kind.

    Args:
        content: JSON lines, each a `DeadLetterRecord`; or one JSON object of Lambda's. A record
            that Lambda kept becomes a letter whose `error_type` is Lambda's condition, such as
            `RetryAttemptsExhausted`.

    Raises:
        DeadLettersUnreadable: It is neither, or a letter's data is not base64.
    """
    lines = content.splitlines()
    try:
        discarded_batch = _decode_given_up(content)
    except _UNREADABLE:
        return [_record(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    try:
        records = _decode_event(discarded_batch.payload).records
        letters = [_of_record(record, discarded_batch) for record in records]
    except _UNREADABLE as error:
        raise DeadLettersUnreadable(f"the batch that Lambda gave up is damaged: {error}") from error
    return letters


def entry_of(letter: DeadLetterRecord) -> Entry:
    """Give what puts a letter's payload on a stream again, under the producer's partition key."""
    key = letter.partition_key or letter.event_id or letter.stream
    return Entry(Data=base64.b64decode(letter.data), PartitionKey=key[:PARTITION_KEY_CHARACTERS])


def _record(number: int, line: bytes) -> DeadLetterRecord:
    try:
        return _checked(_decode_letter(line))
    except _UNREADABLE as error:
        raise DeadLettersUnreadable(f"line {number} is no dead letter: {error}") from error


def _checked(letter: DeadLetterRecord) -> DeadLetterRecord:
    """Refuse what could not be chosen, ordered or put later.

    Raises:
        ValueError: It is not base64, a time with its offset, or a whole number.
    """
    base64.b64decode(letter.data, validate=True)
    int(letter.sequence_number or 0)
    if datetime.fromisoformat(letter.arrived_at).tzinfo is None:
        raise ValueError("its time of arrival has no offset from UTC")
    return letter


def _of_record(record: _Record, discarded_batch: _DiscardedBatch) -> DeadLetterRecord:
    kinesis = record.kinesis
    response = discarded_batch.response_context
    ending = "function error" if response and response.function_error else "reported as failed"
    count = discarded_batch.request_context.approximate_invoke_count
    letter = DeadLetterRecord(
        data=kinesis.data,
        event_id=record.event_id,
        stream=discarded_batch.batch_info.stream_arn.rpartition("stream/")[2] or UNKNOWN_STREAM,
        shard_id=discarded_batch.batch_info.shard_id,
        sequence_number=kinesis.sequence_number,
        partition_key=kinesis.partition_key,
        arrived_at=iso_utc(kinesis.approximate_arrival_timestamp),
        error_type=discarded_batch.request_context.condition,
        error_message=f"{ending}: given up by Lambda after {count} invocations",
    )
    return _checked(letter)
