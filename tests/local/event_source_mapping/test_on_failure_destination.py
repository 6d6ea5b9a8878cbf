import json
import re
from pathlib import Path

from local.event_source_mapping.on_failure_destination import (
    DestinationCopies,
    DiscardedBatch,
    MappingIdentity,
    invocation_record,
    object_key,
)
from streaming.storage import FolderStorage
from tests.fakes.clock import EPOCH
from tests.local.event_source_mapping.mapping_fixtures import SHARD, STREAM_ARN, batch

IDENTITY = MappingIdentity("2b733dc0-mapping", STREAM_ARN, "arn:aws:lambda:::function:function")


def test_the_record_of_a_discarded_batch_has_awss_shape_for_s3() -> None:
    discarded = DiscardedBatch(batch(7, 8), "RetryAttemptsExhausted", invocations=3, raised=True)

    record = json.loads(invocation_record(discarded, IDENTITY, EPOCH))

    event = json.loads(record.pop("payload"))
    assert [each["kinesis"]["sequenceNumber"] for each in event["Records"]] == ["7", "8"]
    assert re.fullmatch(r"[0-9a-f-]{36}", record["requestContext"].pop("requestId"))
    assert record == {
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

    record = json.loads(invocation_record(discarded, IDENTITY, EPOCH))

    assert record["responseContext"]["functionError"] is None


def test_objects_are_named_by_mapping_shard_and_time() -> None:
    assert re.fullmatch(
        r"aws/lambda/mapping/shardId-000000000000/2025/03/01/2025-03-01T13\.15\.00-[0-9a-f-]{36}",
        object_key("mapping", SHARD, EPOCH),
    )


def test_each_object_is_written_to_every_destination(tmp_path: Path) -> None:
    destinations = [FolderStorage(tmp_path / name) for name in ("one", "two")]

    DestinationCopies(*destinations).put("aws/lambda/1", b"{}")

    assert (tmp_path / "one/aws/lambda/1").read_bytes() == b"{}"
    assert (tmp_path / "two/aws/lambda/1").read_bytes() == b"{}"
