"""Dead letters of both kinds, as the function and Lambda write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.event_source_mapping.invocation_event import EventEncoder
from local.event_source_mapping.on_failure_destination import (
    DiscardedBatch,
    InvocationRecord,
    MappingIdentity,
)
from streaming.consumer.poison import dead_letter_record
from streaming.consumer.records import user_records
from streaming.dead_letters import DeadLetterRecord, encode_lines, object_name
from streaming.errors import CorruptRecord, InvalidEvent, Poison
from streaming.reader.shard_reader import StreamRecord
from streaming.storage import FolderStorage
from tests.lambda_events import ARN, ARRIVED, SHARD, record

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = MappingIdentity("2b733dc0-mapping", ARN, "arn:aws:lambda:::function:rides")
INVALID = InvalidEvent("ride_id", "", "a string of 1 to 128 characters")
CORRUPT = CorruptRecord("damaged gzip: no end")


def dead_letter(
    data: bytes,
    number: int,
    error: Poison = INVALID,
    *,
    stream: str | None = "ride_events",
    after: float = 0.0,
) -> DeadLetterRecord:
    """Build a dead-letter record whose partition key is its data."""
    (user_record,) = user_records(
        [record(data, number, key=data.decode(), arrived=ARRIVED + after)], 0.0
    )
    return dead_letter_record(user_record, stream, error)


def write_dead_letters(folder: Path, *records: DeadLetterRecord) -> None:
    """Write an object of dead-letter records as the function does."""
    FolderStorage(folder).put(object_name(records), encode_lines(records))


def discarded_batch(*numbers: int, raised: bool = True) -> bytes:
    """Build a discarded batch as Lambda does, of records whose data is `event <number>`."""
    return invocation_record(*numbers, raised=raised).content()


def invocation_record(*numbers: int, raised: bool = True) -> InvocationRecord:
    encoder = EventEncoder(ARN)
    arrived_at = datetime.fromtimestamp(ARRIVED, UTC)
    records = [
        encoder.encode(
            StreamRecord(
                SHARD, str(number), f"key {number}", f"event {number}".encode(), arrived_at
            )
        )
        for number in numbers
    ]
    discarded = DiscardedBatch(records, "RetryAttemptsExhausted", invocations=3, raised=raised)
    return InvocationRecord(discarded, IDENTITY, arrived_at)


def write_discarded_batch(folder: Path, *numbers: int) -> None:
    """Write a discarded batch as Lambda does."""
    record = invocation_record(*numbers)
    FolderStorage(folder).put(record.key, record.content())
