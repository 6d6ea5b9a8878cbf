"""The handler's calls to AWS, as botocore's event hooks see them; and what Lambda calls."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import botocore.session

from tests.infrastructure.policies import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

GUIDE = "Lambda developer guide, "
MAPPING = GUIDE + "Process Kinesis records: permissions of an event source mapping"
DESTINATION = GUIDE + "Retain discarded batch records: permissions for an S3 destination"
LOGS = GUIDE + "Sending function logs to CloudWatch Logs"
NETWORK = GUIDE + "Giving functions access to a VPC: required IAM permissions"
TRACES = GUIDE + "Visualize invocations using X-Ray: execution role permissions"
DELIVERY = "Firehose developer guide, Controlling access: "
ENCRYPTED_STREAM = "Kinesis developer guide, Permissions to use user-generated KMS keys"
ENCRYPTED_BUCKET = "S3 user guide, Using SSE-KMS: permissions"
ENCRYPTED_TABLE = "DynamoDB developer guide, Encryption at rest: authorizing use of your key"
TICKS = "EventBridge Scheduler user guide, Setting up the execution role"

ITEM_KEY_ACTIONS = (
    "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"
)  # fmt: skip
"""What the guide asks for, without CreateGrant, which only creating a table needs."""


@dataclass
class Handled:
    """What became of a ride and a record of poison in one consumer.

    Attributes:
        response: The function's.
        calls: Its calls to AWS.
        log: The lines that it wrote.
    """

    response: dict[str, Any]
    calls: set[Call]
    log: list[dict[str, Any]]


@contextmanager
def recorded_calls(place: str) -> Iterator[set[Call]]:
    """Record each call of clients that are created within the context.

    Args:
        place: Region and account, as in an ARN.
    """
    calls: set[Call] = set()
    create_client = botocore.session.Session.create_client

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        action = f"{model.service_model.endpoint_prefix}:{model.name}"
        calls.add(Call(action, _resource(action, params, place), "the function's code"))

    def create(session: Any, *arguments: Any, **named: Any) -> Any:
        client = create_client(session, *arguments, **named)
        client.meta.events.register("provide-client-params", record)
        return client

    with patch.object(botocore.session.Session, "create_client", create):
        yield calls


@contextmanager
def lambda_environment(variables: dict[str, str], region: str, endpoint: str) -> Iterator[None]:
    """Set the environment that Lambda gives the function."""
    given = {**variables, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    with patch.dict(os.environ, {**given, "AWS_ENDPOINT_URL": endpoint}):
        yield


def calls_of_lambda(
    streams: Sequence[str], bucket: str, log_group: str, fan_out: str | None, interface: str
) -> set[Call]:
    """Return what Lambda calls in the function's name, with a VPC and tracing on.

    Args:
        streams: ARNs of the streams that it reads.
        bucket: The on-failure destination's ARN.
        log_group: The log group's ARN.
        fan_out: The ARN of the stream's consumer, or None.
        interface: The ARN of a network interface.
    """
    reads = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator")
    calls = {
        Call(f"kinesis:{name}", stream, MAPPING)
        for stream in streams
        for name in (*reads, "ListShards")
    }
    if fan_out:
        calls.add(Call("kinesis:SubscribeToShard", fan_out, MAPPING))
    calls.add(Call("s3:PutObject", f"{bucket}/aws/lambda/a-mapping/a-shard/a-batch", DESTINATION))
    calls.add(Call("s3:ListBucket", bucket, DESTINATION))
    for name in ("CreateLogStream", "PutLogEvents"):
        calls.add(Call(f"logs:{name}", f"{log_group}:log-stream:2026/11/21/[1]0123", LOGS))
    for name in ("DescribeNetworkInterfaces", "DescribeSubnets"):
        calls.add(Call(f"ec2:{name}", "*", NETWORK))
    for name in ("CreateNetworkInterface", "DeleteNetworkInterface"):
        calls.add(Call(f"ec2:{name}", interface, NETWORK))
    for name in ("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"):
        calls.add(Call(f"ec2:{name}", interface, NETWORK))
    for name in ("PutTraceSegments", "PutTelemetryRecords"):
        calls.add(Call(f"xray:{name}", "*", TRACES))
    return calls


def calls_of_firehose(
    streams: Iterable[str], location: str, tables: Iterable[str], log_stream: str
) -> set[Call]:
    """Return what Firehose calls in its role's name.

    Args:
        streams: ARNs of the streams that it reads.
        location: The ARN of the bucket with the archive's prefix.
        tables: The ARNs of the Glue tables, of their database and of the catalog.
        log_stream: The ARN of a log stream.
    """
    bucket, reads = location.partition("/")[0], ("DescribeStream", "GetRecords", "GetShardIterator")
    calls = {
        Call(f"kinesis:{name}", stream, DELIVERY + "a Kinesis stream as the source")
        for stream in streams
        for name in (*reads, "ListShards")
    }
    for name in ("GetBucketLocation", "ListBucket", "ListBucketMultipartUploads"):
        calls.add(Call(f"s3:{name}", bucket, DELIVERY + "an Amazon S3 destination"))
    for name in ("AbortMultipartUpload", "GetObject", "PutObject"):
        an_object = f"{location}/ride_events/date=2026-11-21/hour=13/a.parquet"
        calls.add(Call(f"s3:{name}", an_object, DELIVERY + "an Amazon S3 destination"))
    for table in tables:
        for name in ("GetTable", "GetTableVersion", "GetTableVersions"):
            calls.add(Call(f"glue:{name}", table, DELIVERY + "AWS Glue for format conversion"))
    calls.add(Call("logs:PutLogEvents", log_stream, DELIVERY + "an Amazon S3 destination"))
    return calls


def calls_of_encryption(calls: set[Call], key: str) -> set[Call]:
    """Return what services call on the key, in the function's name, for its other calls."""
    kinesis, s3, dynamodb = (
        f"{service}.{key.split(':')[3]}.amazonaws.com" for service in ("kinesis", "s3", "dynamodb")
    )
    implied = {
        "kinesis:GetRecords": Call("kms:Decrypt", key, ENCRYPTED_STREAM, kinesis),
        "kinesis:PutRecords": Call("kms:GenerateDataKey", key, ENCRYPTED_STREAM, kinesis),
        "s3:PutObject": Call("kms:GenerateDataKey", key, ENCRYPTED_BUCKET, s3),
    }
    found = {implied[call.action] for call in calls if call.action in implied}
    if any(call.action.startswith("dynamodb:") for call in calls):
        actions = (f"kms:{name}" for name in ITEM_KEY_ACTIONS)
        found |= {Call(action, key, ENCRYPTED_TABLE, dynamodb) for action in actions}
    return found


def _resource(action: str, params: dict[str, Any], place: str) -> str:
    match action.partition(":")[0], params:
        case "kinesis", {"StreamName": name}:
            return f"arn:aws:kinesis:{place}:stream/{name}"
        case "dynamodb", {"TableName": name, "IndexName": index}:
            return f"arn:aws:dynamodb:{place}:table/{name}/index/{index}"
        case "dynamodb", {"TableName": name}:
            return f"arn:aws:dynamodb:{place}:table/{name}"
        case "s3", {"Bucket": bucket, "Key": key}:
            return f"arn:aws:s3:::{bucket}/{key}"
        case "s3", {"Bucket": bucket}:
            return f"arn:aws:s3:::{bucket}"
    raise ValueError(f"no ARN is known for {action} with {sorted(params)}")
