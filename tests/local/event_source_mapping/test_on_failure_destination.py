import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from local.errors import DestinationUnavailable
from local.event_source_mapping.on_failure_destination import (
    Copies,
    Discarded,
    FolderDestination,
    MappingIdentity,
    S3Destination,
    invocation_record,
    object_key,
    open_destination,
)
from streaming.clients import aws_client
from streaming.errors import SettingsError
from tests.fakes.clock import EPOCH
from tests.local.event_source_mapping.records import SHARD, STREAM_ARN, batch

IDENTITY = MappingIdentity("2b733dc0-mapping", STREAM_ARN, "arn:aws:lambda:::function:rides")


@pytest.fixture
def s3() -> Iterator[Any]:
    client = aws_client("s3", "http://127.0.0.1:1")
    yield client
    client.close()


def no_client() -> Any:
    pytest.fail("nobody needs S3 here")


def test_the_record_of_a_discarded_batch_has_awss_shape_for_s3() -> None:
    discarded = Discarded(batch(7, 8), "RetryAttemptsExhausted", invocations=3, raised=True)

    record = json.loads(invocation_record(discarded, IDENTITY, EPOCH))

    event = json.loads(record.pop("payload"))
    assert [each["kinesis"]["sequenceNumber"] for each in event["Records"]] == ["7", "8"]
    assert re.fullmatch(r"[0-9a-f-]{36}", record["requestContext"].pop("requestId"))
    assert record == {
        "requestContext": {
            "functionArn": "arn:aws:lambda:::function:rides",
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


def test_a_batch_given_up_after_a_partial_response_has_no_function_error() -> None:
    discarded = Discarded(batch(7), "RetryAttemptsExhausted", invocations=1, raised=False)

    record = json.loads(invocation_record(discarded, IDENTITY, EPOCH))

    assert record["responseContext"]["functionError"] is None


def test_objects_are_named_by_mapping_shard_and_time() -> None:
    assert re.fullmatch(
        r"aws/lambda/mapping/shardId-000000000000/2025/03/01/2025-03-01T13\.15\.00-[0-9a-f-]{36}",
        object_key("mapping", SHARD, EPOCH),
    )


def test_a_folder_keeps_objects_as_files(tmp_path: Path) -> None:
    open_destination(f"file://{tmp_path}/given%20up", no_client).put("aws/lambda/1", b"{}")

    assert (tmp_path / "given up/aws/lambda/1").read_bytes() == b"{}"


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DestinationUnavailable, match="cannot write"):
        FolderDestination(tmp_path / "file").put("aws/lambda/1", b"{}")


@pytest.mark.parametrize(
    ("location", "key"),
    [("s3://bucket", "aws/lambda/1"), ("s3://bucket/given-up/", "given-up/aws/lambda/1")],
)
def test_a_bucket_keeps_objects_under_a_prefix(s3: Any, location: str, key: str) -> None:
    with Stubber(s3) as stub:
        stub.add_response("put_object", {}, {"Bucket": "bucket", "Key": key, "Body": b"{}"})
        open_destination(location, lambda: s3).put("aws/lambda/1", b"{}")
        stub.assert_no_pending_responses()


def test_a_bucket_that_cannot_be_written_says_so(s3: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_client_error("put_object", "NoSuchBucket")
        with pytest.raises(DestinationUnavailable, match="cannot write s3://bucket/1"):
            S3Destination(s3, "bucket").put("1", b"{}")


@pytest.mark.parametrize("location", ["folder", "file://host/folder", "s3://", "sqs://queue"])
def test_another_location_is_refused(location: str) -> None:
    allowed = "s3://bucket/prefix or file:///folder"
    with pytest.raises(SettingsError, match=f"OnFailure is '{location}'; allowed: {allowed}"):
        open_destination(location, no_client)


def test_copies_of_an_object_go_to_each_place(tmp_path: Path) -> None:
    places = [FolderDestination(tmp_path / name) for name in ("one", "two")]

    Copies(*places).put("aws/lambda/1", b"{}")

    assert (tmp_path / "one/aws/lambda/1").read_bytes() == b"{}"
    assert (tmp_path / "two/aws/lambda/1").read_bytes() == b"{}"
