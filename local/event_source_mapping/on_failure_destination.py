"""The on-failure destination: discarded batches, as Lambda sends them to S3, SQS and SNS.

S3 receives the records; a queue or a topic receives only where they are on the stream.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, Protocol

from local.event_source_mapping.invocation_event import EncodedRecord, event_payload
from streaming.aws_errors import describe_error
from streaming.clients import aws_client
from streaming.errors import SettingsError, StorageError
from streaming.storage import Storage, open_storage
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
    raised: bool = False


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


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """Lambda's invocation record of a discarded batch; sent again, it is the same one.

    The shape is from the Lambda developer guide, Retain discarded batch records for a Kinesis
    Data Streams event source, and from what AWS was observed to send: a record that is too old has
    an invoke count of at least 1, and no `responseContext`.

    Attributes:
        discarded: The records, and why.
        identity: The mapping.
        at: When they were discarded.
        request_id: A random id.
    """

    discarded: DiscardedBatch
    identity: MappingIdentity
    at: datetime
    request_id: str = field(default_factory=_new_id)

    @property
    def key(self) -> str:
        """The object's key: `aws/lambda/<mapping>/<shard>/<yyyy>/<mm>/<dd>/<time>-<id>`."""
        time = self.at.astimezone(UTC)
        return (
            f"aws/lambda/{self.identity.uuid}/{self.discarded.records[0].record.shard_id}/"
            f"{time:%Y/%m/%d}/{time:%Y-%m-%dT%H.%M.%S}-{self.request_id}"
        )

    def content(self) -> bytes:
        """Return what S3 receives: the metadata and, as a JSON string, the event."""
        event = event_payload(self.discarded.records).decode()
        return json.dumps({**self._metadata(), "payload": event}).encode()

    def message(self) -> str:
        """Return what SQS and SNS receive: only the metadata."""
        return json.dumps(self._metadata())

    def _metadata(self) -> dict[str, Any]:
        discarded = self.discarded
        first, last = discarded.records[0].record, discarded.records[-1].record
        response = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled" if discarded.raised else None,
        }
        exhausted = discarded.condition == "RetryAttemptsExhausted"
        return {
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.identity.function_arn,
                "condition": discarded.condition,
                "approximateInvokeCount": max(discarded.invocations, 1),
            },
            **({"responseContext": response} if exhausted else {}),
            "version": "1.0",
            "timestamp": iso_utc(self.at.timestamp()),
            "KinesisBatchInfo": {
                "shardId": first.shard_id,
                "startSequenceNumber": first.sequence_number,
                "endSequenceNumber": last.sequence_number,
                "approximateArrivalOfFirstRecord": iso_utc(first.arrived_at.timestamp()),
                "approximateArrivalOfLastRecord": iso_utc(last.arrived_at.timestamp()),
                "batchSize": len(discarded.records),
                "streamArn": self.identity.stream_arn,
            },
        }


class Destination(Protocol):
    """Receives discarded batches."""

    def send(self, record: InvocationRecord) -> None:
        """Send a discarded batch.

        Raises:
            StorageError: It was not sent, or this is not known.
        """


class StorageDestination:
    """A bucket, or a folder with a bucket's content.

    Args:
        storage: Receives an object for each batch.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def send(self, record: InvocationRecord) -> None:
        """See `Destination.send`; sent again, it replaces its object."""
        self._storage.put(record.key, record.content())


class QueueDestination:
    """An SQS queue.

    Args:
        client: A boto3 SQS client.
        arn: The queue's ARN.
    """

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._owner, self._name = arn.split(":")[4:]

    def send(self, record: InvocationRecord) -> None:
        """See `Destination.send`."""
        with _storage_errors(self._name):
            queue = self._client.get_queue_url(
                QueueName=self._name, QueueOwnerAWSAccountId=self._owner
            )
            self._client.send_message(QueueUrl=queue["QueueUrl"], MessageBody=record.message())


class TopicDestination:
    """An SNS topic.

    Args:
        client: A boto3 SNS client.
        arn: The topic's ARN.
    """

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def send(self, record: InvocationRecord) -> None:
        """See `Destination.send`."""
        with _storage_errors(self._arn):
            self._client.publish(TopicArn=self._arn, Message=record.message())


class DestinationCopies:
    """Sends each batch to several destinations.

    Args:
        destinations: In order; after a failure, all of them are sent to again.
    """

    def __init__(self, *destinations: Destination) -> None:
        self._destinations = destinations

    def send(self, record: InvocationRecord) -> None:
        """See `Destination.send`."""
        for destination in self._destinations:
            destination.send(record)


def open_destination(location: str) -> Destination:
    """Open a destination; nothing is accessed yet.

    Args:
        location: `s3://bucket/prefix`, `file:///folder`, or the ARN of an SQS queue or SNS topic.

    Raises:
        SettingsError: It is none of these, or a FIFO queue or topic, which Lambda refuses too.
    """
    match location.split(":"):
        case ["arn", _, "sqs", _, _, name] if not name.endswith(".fifo"):
            return QueueDestination(aws_client("sqs"), location)
        case ["arn", _, "sns", _, _, name] if not name.endswith(".fifo"):
            return TopicDestination(aws_client("sns"), location)
        case ["arn", *_]:
            raise SettingsError("OnFailure", location, "the ARN of a standard queue or topic")
    return StorageDestination(open_storage("OnFailure", location, partial(aws_client, "s3")))


@contextmanager
def _storage_errors(target: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # botocore's parser may raise anything
        raise StorageError(f"cannot send to {target}: {describe_error(error)}") from error
