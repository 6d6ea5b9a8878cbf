import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.event_source_mapping import on_failure_destination
from local.event_source_mapping.on_failure_destination import (
    DestinationCopies,
    DiscardedBatch,
    InvocationRecord,
    MappingIdentity,
    QueueDestination,
    StorageDestination,
    TopicDestination,
    open_destination,
)
from streaming.errors import SettingsError, StorageError
from streaming.storage import FolderStorage
from tests.fakes.clock import EPOCH
from tests.fakes.kinesis import client_error
from tests.local.event_source_mapping.mapping_fixtures import SHARD, STREAM_ARN, batch

IDENTITY = MappingIdentity("mapping", STREAM_ARN, "arn:aws:lambda:::function:function")
QUEUE = "arn:aws:sqs:us-east-1:123456789012:discarded"
TOPIC = "arn:aws:sns:us-east-1:123456789012:discarded"


def record() -> InvocationRecord:
    discarded = DiscardedBatch(batch(7, 8), "RetryAttemptsExhausted", invocations=3, raised=True)
    return InvocationRecord(discarded, IDENTITY, EPOCH)


def test_the_record_of_a_discarded_batch_has_awss_shape_for_s3() -> None:
    discarded = DiscardedBatch(batch(7, 8), "RetryAttemptsExhausted", invocations=3, raised=True)

    content = json.loads(InvocationRecord(discarded, IDENTITY, EPOCH).content())

    event = json.loads(content.pop("payload"))
    assert [each["kinesis"]["sequenceNumber"] for each in event["Records"]] == ["7", "8"]
    assert re.fullmatch(r"[0-9a-f-]{36}", content["requestContext"].pop("requestId"))
    assert content == {
        "requestContext": {
            "functionArn": "arn:aws:lambda:::function:function",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2025-03-01T13:15:00.000Z",
        "KinesisBatchInfo": {
            "shardId": SHARD,
            "startSequenceNumber": "7",
            "endSequenceNumber": "8",
            "approximateArrivalOfFirstRecord": "2025-03-01T13:15:00.000Z",
            "approximateArrivalOfLastRecord": "2025-03-01T13:15:00.000Z",
            "batchSize": 2,
            "streamArn": STREAM_ARN,
        },
    }


def test_a_batch_discarded_after_a_partial_response_has_no_function_error() -> None:
    discarded = DiscardedBatch(batch(7), "RetryAttemptsExhausted", invocations=1, raised=False)

    content = json.loads(InvocationRecord(discarded, IDENTITY, EPOCH).content())

    assert content["responseContext"]["functionError"] is None


def test_records_that_are_too_old_have_an_invoke_count_and_no_response() -> None:
    discarded = DiscardedBatch(batch(7), "RecordAgeExceeded", invocations=0)

    content = json.loads(InvocationRecord(discarded, IDENTITY, EPOCH).content())

    assert content["requestContext"]["approximateInvokeCount"] == 1
    assert "responseContext" not in content


def test_objects_are_named_by_mapping_shard_and_time() -> None:
    assert re.fullmatch(
        r"aws/lambda/mapping/shardId-000000000000/2025/03/01/2025-03-01T13\.15\.00-[0-9a-f-]{36}",
        record().key,
    )


def test_each_batch_is_sent_to_every_destination(tmp_path: Path) -> None:
    destinations = [StorageDestination(FolderStorage(tmp_path / name)) for name in ("one", "two")]
    sent = record()

    DestinationCopies(*destinations).send(sent)

    assert (tmp_path / "one" / sent.key).read_bytes() == sent.content()
    assert (tmp_path / "two" / sent.key).read_bytes() == sent.content()


class Messages:
    """SQS and SNS clients in memory."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.sent: list[tuple[str, Any]] = []
        self._failure = failure

    def get_queue_url(self, *, QueueName: str, QueueOwnerAWSAccountId: str) -> dict[str, str]:
        if self._failure:
            raise self._failure
        return {"QueueUrl": f"https://sqs/{QueueOwnerAWSAccountId}/{QueueName}"}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:
        self.sent.append((QueueUrl, json.loads(MessageBody)))

    def publish(self, *, TopicArn: str, Message: str) -> None:
        if self._failure:
            raise self._failure
        self.sent.append((TopicArn, json.loads(Message)))


def test_a_queue_receives_what_a_bucket_receives_without_the_records() -> None:
    client, sent = Messages(), record()

    QueueDestination(client, QUEUE).send(sent)

    content = json.loads(sent.content())
    del content["payload"]
    assert client.sent == [("https://sqs/123456789012/discarded", content)]


def test_a_topic_receives_what_a_queue_receives() -> None:
    client, sent = Messages(), record()

    TopicDestination(client, TOPIC).send(sent)

    assert client.sent == [(TOPIC, json.loads(sent.message()))]


@pytest.mark.parametrize(
    "failure", [client_error("OverLimit", "send_message"), KeyError("QueueUrl")], ids=str
)
def test_a_message_that_cannot_be_sent_is_an_error_that_is_retried(failure: Exception) -> None:
    for destination in (
        QueueDestination(Messages(failure), QUEUE),
        TopicDestination(Messages(failure), TOPIC),
    ):
        with pytest.raises(StorageError, match="cannot send to"):
            destination.send(record())


def test_destinations_are_opened_by_location_or_arn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_failure_destination, "aws_client", lambda _service: Messages())

    assert isinstance(open_destination(QUEUE), QueueDestination)
    assert isinstance(open_destination(TOPIC), TopicDestination)
    assert isinstance(open_destination("s3://bucket/prefix"), StorageDestination)
    assert isinstance(open_destination(tmp_path.as_uri()), StorageDestination)


@pytest.mark.parametrize("arn", [f"{QUEUE}.fifo", f"{TOPIC}.fifo", "arn:aws:lambda:::function:x"])
def test_a_destination_that_lambda_refuses_is_refused(arn: str) -> None:
    with pytest.raises(
        SettingsError, match=r"OnFailure is .* the ARN of a standard queue or topic"
    ):
        open_destination(arn)
