import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

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
from streaming.clients import aws_client
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


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_a_queue_and_a_topic_receive_what_a_bucket_receives_without_the_records() -> None:
    sqs, sns = aws_client("sqs"), aws_client("sns")
    queue_url = sqs.create_queue(QueueName="discarded")["QueueUrl"]
    sns.create_topic(Name="discarded")
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=QUEUE, Attributes=raw)
    sent = record()

    for arn in (QUEUE, TOPIC):
        open_destination(arn).send(sent)

    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    content = json.loads(sent.content())
    del content["payload"]
    assert [json.loads(message["Body"]) for message in received] == [content, content]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("arn", [QUEUE, TOPIC])
def test_a_message_that_cannot_be_sent_is_an_error_that_is_retried(arn: str) -> None:
    with pytest.raises(StorageError, match="cannot send to"):
        open_destination(arn).send(record())


class Failing:
    """A client of SQS or SNS of which every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_queue_url(self, **_: str) -> None:
        raise self._error

    def publish(self, **_: str) -> None:
        raise self._error


@pytest.mark.parametrize(("kind", "arn"), [(QueueDestination, QUEUE), (TopicDestination, TOPIC)])
def test_a_message_that_cannot_be_sent_shows_nothing_of_the_message_of_the_error(
    kind: type[QueueDestination | TopicDestination], arn: str
) -> None:
    echo = "blocked: token\x1b[2J\n" + "x" * 200_000
    error = client_error("AccessDenied", "send_message", echo, status=403)

    with pytest.raises(StorageError) as raised:
        kind(Failing(error), arn).send(record())

    assert str(raised.value).endswith(": AccessDenied (SendMessage, HTTP status 403)")


def test_buckets_and_folders_are_opened_by_location(tmp_path: Path) -> None:
    assert isinstance(open_destination("s3://bucket/prefix"), StorageDestination)
    assert isinstance(open_destination(tmp_path.as_uri()), StorageDestination)


@pytest.mark.parametrize("arn", [f"{QUEUE}.fifo", f"{TOPIC}.fifo", "arn:aws:lambda:::function:x"])
def test_a_destination_that_lambda_refuses_is_refused(arn: str) -> None:
    with pytest.raises(
        SettingsError, match=r"OnFailure is .* the ARN of a standard queue or topic"
    ):
        open_destination(arn)
