"""The on-failure destination: discarded batches, as Lambda writes them to S3.

To SQS and SNS Lambda sends only metadata; to S3 it also writes the records.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from local.event_source_mapping.invocation_event import EncodedRecord, event_payload
from streaming.timestamps import iso_utc

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


@dataclass(frozen=True, slots=True)
class DiscardedBatch:
    """Records that the mapping discards together.

    Attributes:
        records: At least one, all of one shard.
        condition: The reason, by AWS's name.
        invocations: How often the function was invoked with them.
        raised: Whether the last invocation raised an error, rather than return a batch item
            failure.
    """

    records: Sequence[EncodedRecord]
    condition: Condition
    invocations: int
    raised: bool


@dataclass(frozen=True, slots=True)
class MappingIdentity:
    """The names of an event source mapping, its stream and its function.

    Attributes:
        uuid: The mapping's id.
        stream_arn: The stream it reads.
        function_arn: The function it invokes.
    """

    uuid: str
    stream_arn: str
    function_arn: str


class Destination(Protocol):
    """Stores discarded batches; `streaming.Storage` is one."""

    def put(self, name: str, content: bytes) -> None:
        """Write an object atomically.

        Raises:
            StorageError: It could not be written.
        """


class DestinationCopies:
    """Writes each object to several destinations.

    Args:
        destinations: Written in order; after a failure, all of them are written again.
    """

    def __init__(self, *destinations: Destination) -> None:
        self._destinations = destinations

    def put(self, name: str, content: bytes) -> None:
        """See `Destination.put`."""
        for destination in self._destinations:
            destination.put(name, content)


def invocation_record(discarded: DiscardedBatch, identity: MappingIdentity, at: datetime) -> bytes:
    """Return Lambda's invocation record for S3, which holds the event as a JSON string.

    The shape is from the Lambda developer guide, Retain discarded batch records for a Kinesis
    Data Streams event source.

    Args:
        discarded: The records, and why.
        identity: The mapping.
        at: When they were discarded.
    """
    first, last = discarded.records[0].record, discarded.records[-1].record
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": identity.function_arn,
            "condition": discarded.condition,
            "approximateInvokeCount": discarded.invocations,
        },
        "version": "1.0",
        "timestamp": iso_utc(at.timestamp()),
        "KinesisBatchInfo": {
            "shardId": first.shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": iso_utc(first.arrived_at.timestamp()),
            "approximateArrivalOfLastRecord": iso_utc(last.arrived_at.timestamp()),
            "batchSize": len(discarded.records),
            "streamArn": identity.stream_arn,
        },
        "payload": event_payload(discarded.records).decode(),
    }
    if discarded.invocations:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled" if discarded.raised else None,
        }
    return json.dumps(record).encode()


def object_key(mapping_uuid: str, shard_id: str, at: datetime) -> str:
    """Return AWS's object key: `aws/lambda/<mapping>/<shard>/<yyyy>/<mm>/<dd>/<time>-<id>`."""
    time = at.astimezone(UTC)
    return (
        f"aws/lambda/{mapping_uuid}/{shard_id}/{time:%Y/%m/%d}/"
        f"{time:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    )
