"""The on-failure destination: what is kept of records that the mapping gives up.

AWS sends metadata to SQS and SNS, and to S3 the records too. Here S3's form goes to a bucket or to
a folder.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.errors import DestinationUnavailable
from local.event_source_mapping.invocation_event import EncodedRecord, event_payload
from streaming.files import write_whole
from streaming.locations import parse_location
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
    """A place for objects."""

    def put(self, key: str, body: bytes) -> None:
        """Keep an object under a key with slashes.

        Raises:
            DestinationUnavailable: It could not be written.
        """


class FolderDestination:
    """Objects as files of a folder, which is made when needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, body: bytes) -> None:
        """Write one file; see `Destination.put`."""
        path = self._folder / key
        try:
            write_whole(path, body)
        except OSError as error:
            raise DestinationUnavailable(f"cannot write {path}: {error}") from error


class S3Destination:
    """Objects of a bucket.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket's name.
        prefix: What every key begins with; may be empty.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def put(self, key: str, body: bytes) -> None:
        """Put one object; see `Destination.put`."""
        key = f"{self._prefix}/{key}" if self._prefix else key
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        except (BotoCoreError, ClientError) as error:
            place = f"s3://{self._bucket}/{key}"
            raise DestinationUnavailable(f"cannot write {place}: {error}") from error


class Copies:
    """Objects that are kept in several places, in each of them.

    Args:
        places: One after another; a place that fails is tried again together with all of them.
    """

    def __init__(self, *places: Destination) -> None:
        self._places = places

    def put(self, key: str, body: bytes) -> None:
        """Put one object in each place; see `Destination.put`."""
        for place in self._places:
            place.put(key, body)


def open_destination(location: str, s3_client: Callable[[], Any]) -> Destination:
    """Open a destination.

    Args:
        location: `file:///folder` or `s3://bucket/prefix`.
        s3_client: Makes a boto3 S3 client; called only for `s3://`.

    Raises:
        SettingsError: It is neither.
    """
    place = parse_location("OnFailure", location)
    if isinstance(place, Path):
        return FolderDestination(place)
    return S3Destination(s3_client(), place.name, place.prefix)


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
