"""Dead letters of both kinds, as the function and Lambda write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.event_source_mapping.invocation_event import EventEncoder
from local.event_source_mapping.on_failure_destination import (
    Discarded,
    MappingIdentity,
    invocation_record,
    object_key,
)
from streaming.consumer.records import user_records
from streaming.dead_letters import DeadLetterRecord, FolderDeadLetters, dead_letter
from streaming.errors import CorruptRecord, InvalidEvent, Poison
from streaming.reader.shard_reader import StreamRecord
from tests.lambda_events import ARN, ARRIVED, SHARD, record

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = MappingIdentity("2b733dc0-mapping", ARN, "arn:aws:lambda:::function:rides")
INVALID = InvalidEvent("ride_id", "", "a string of 1 to 128 characters")
CORRUPT = CorruptRecord("damaged gzip: no end")


def letter(
    data: bytes,
    number: int,
    error: Poison = INVALID,
    *,
    stream: str | None = "ride_events",
    after: float = 0.0,
) -> DeadLetterRecord:
    """Make a letter of a record, with its data as partition key, some seconds after the first."""
    (payload,) = user_records(
        [record(data, number, key=data.decode(), arrived=ARRIVED + after)], 0.0
    )
    return dead_letter(payload, stream, error)


def keep(folder: Path, *letters: DeadLetterRecord) -> None:
    """Write an object as the function does."""
    FolderDeadLetters(folder).write(letters)


def discarded_batch(*numbers: int, raised: bool = True) -> bytes:
    """Make an object as Lambda does, of records whose data is `event <number>`."""
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
    discarded = Discarded(records, "RetryAttemptsExhausted", invocations=3, raised=raised)
    return invocation_record(discarded, IDENTITY, arrived_at)


def keep_given_up(folder: Path, *numbers: int) -> None:
    """Write an object as Lambda does."""
    path = folder / object_key(IDENTITY.uuid, SHARD, datetime.fromtimestamp(ARRIVED, UTC))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(discarded_batch(*numbers))
