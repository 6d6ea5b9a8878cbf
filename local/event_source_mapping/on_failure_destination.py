"""The on-failure destination: discarded batches, in the form that Lambda writes to S3.

Lambda sends only metadata to SQS and SNS, but the records too to S3.
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
class Discarded:
    """Records that the mapping gives up.

    Attributes:
        records: At least one, all of one shard.
        condition: Why, under AWS's name.
        invocations: How often the function was invoked with them.
        raised: Whether the last invocation raised an error, rather than report a failure.
    """

    records: Sequence[EncodedRecord]
    condition: Condition
    invocations: int
    raised: bool


@dataclass(frozen=True, slots=True)
class MappingIdentity:
    """What names an event source mapping.

    Attributes:
        uuid: The mapping's own id.
        stream_arn: The stream it reads.
        function_arn: The function it invokes.
    """

    uuid: str
    stream_arn: str
    function_arn: str


class Destination(Protocol):
    """Where discarded batches are written, such as a `streaming.Storage`."""

    def put(self, name: str, content: bytes) -> None:
        """Write an object as a whole.

        Raises:
            StorageError: It could not be written.
        """


class DestinationCopies:
    """Several destinations that each get every object.

    Args:
        destinations: Written one after another; after a failure, all of them are retried.
    """

    def __init__(self, *destinations: Destination) -> None:
        self._destinations = destinations

    def put(self, name: str, content: bytes) -> None:
        """See `Destination.put`."""
        for destination in self._destinations:
            destination.put(name, content)


def invocation_record(discarded: Discarded, identity: MappingIdentity, at: datetime) -> bytes:
    """Describe discarded records as AWS does for S3, with the event as a JSON text.

    The shape is that of the Lambda developer guide, Retain discarded batch records for a Kinesis
    Data Streams event source.

    Args:
        discarded: The records, and why.
        identity: The mapping.
        at: The time of day.
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
    """Name the object as AWS does: `aws/lambda/<mapping>/<shard>/<yyyy>/<mm>/<dd>/<time>-<id>`."""
    time = at.astimezone(UTC)
    return (
        f"aws/lambda/{mapping_uuid}/{shard_id}/{time:%Y/%m/%d}/"
        f"{time:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    )
