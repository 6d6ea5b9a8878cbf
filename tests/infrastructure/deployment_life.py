"""A deployment from its first apply to its destruction, on the emulator, and what was seen of it.

An apply takes a minute: it is done once, and each test looks at a part of what was seen.
"""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from lambda_function import build_consumer
from tests.infrastructure.emulated_aws import ACCOUNT
from tests.infrastructure.function_calls import Handled, lambda_environment, recorded_calls
from tests.infrastructure.handled_decisions import POLICY, described_table, handle_decisions
from tests.infrastructure.terraform_copy import Terraform, TerraformError
from tests.lambda_events import event, ride
from tests.model_pointers import pointer_to

ROOT = Path(__file__).parent.parent.parent
REGION = "eu-central-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/rides@sha256:"
FIRST, SECOND = IMAGE + "1" * 64, IMAGE + "2" * 64
PATTERN = '{"data":{"event_type":["ride_started"]}}'

VARIABLES: dict[str, Any] = {
    "name": "rides",
    "region": REGION,
    "account_id": ACCOUNT,
    "image": FIRST,
    "path_style_s3": True,
    "event_stream": {"mode": "PROVISIONED", "shards": 2},
    "alarm_emails": ["operations@example.com"],
    "archive": {"location": "s3://lake/rides"},
    "decisions": {
        "policy": "s3://policies/rides/quotes.json",
        "opens": True,
        "environment": {"LOG_LEVEL": "DEBUG"},
        "reserved_concurrency": 4,
    },
    "decision_stream": {"mode": "PROVISIONED", "shards": 1},
    "tracing": True,
    "vpc": {"subnet_ids": ["subnet-0123456789"], "security_group_ids": ["sg-0123456789"]},
    "consumers": {
        "duration_tip": {"models": "duration,tip", "environment": {"RUN_ID": "trial"}},
        "tip": {
            "models": "tip",
            "environment": {
                "MODEL_LOCATION": "s3://bundles/rides/champion.json",
                "MODEL_REFRESH_SECONDS": "60",
                "AGGREGATE_OUTPUT": "hot",
                "LOG_LEVEL": "DEBUG",
            },
            "memory_mb": 1769,
            "enhanced_fan_out": True,
            "reserved_concurrency": 5,
            "filter_patterns": [PATTERN],
        },
    },
}
"""Everything that can be on is on, in one of two consumers at least."""


@dataclass
class Life:
    """What was seen.

    Attributes:
        resources: Each resource's values after the first apply, by address.
        outputs: Terraform's outputs after the first apply.
        seen: Answers of AWS's API after the first apply, by what was asked.
        handled: What the function did with the settings that Terraform gave it, by consumer.
        refusals: What Terraform said to a plan that is not allowed.
        plans: What a plan would change, after each step.
        after_change: Answers of AWS's API after shards and image were changed.
        served: The version that the alias named, after each of a deployment's moves.
        left: What is in the state after the destruction.
        seconds: How long each step took.
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    handled: dict[str, Handled] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    plans: dict[str, list[str]] = field(default_factory=dict)
    after_change: dict[str, Any] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def live(folder: Path, endpoint: str) -> Life:
    """Deploy, use, change, roll back and destroy."""
    life = Life()
    terraform = Terraform(folder, dict(VARIABLES), endpoint, life.seconds)
    terraform.init()
    old = {"tip": {"maximum_record_age_seconds": 24 * 3600}}
    life.refusals["no image"] = refused(terraform, image=None)
    life.refusals["record age"] = refused(terraform, consumers=old)
    decisions = VARIABLES["decisions"] | {"maximum_record_age_seconds": 24 * 3600}
    life.refusals["record age of decisions"] = refused(terraform, decisions=decisions)

    terraform.apply("apply, the first time")
    life.resources, life.outputs = terraform.resources(), terraform.outputs()
    life.plans["apply"] = terraform.changes()
    aws = Account(endpoint)
    life.seen = aws.described(life.outputs)
    aws.publish_model("bundles", "rides")
    for name in life.outputs["consumers"]:
        life.handled[name] = handle(life.seen[name], endpoint)
    aws.put_policy("policies", "rides/quotes.json")
    life.handled["decisions"] = handle_decisions(
        life.seen["decisions"] | {"tick": life.seen["schedule"]["Target"]["Input"]}, endpoint
    )
    life.seen["quotes"] = aws.records(life.outputs["decision_stream"]["name"])
    life.seen["items"] = aws.items(life.outputs["decisions"]["table"])
    life.seen["objects"] = aws.objects(life.outputs["dead_letter_bucket"])
    life.seen["predictions"] = aws.records(life.outputs["prediction_stream"]["name"])

    shards = {"mode": "PROVISIONED", "shards": 4}
    terraform.apply("apply, more shards and another image", event_stream=shards, image=SECOND)
    life.plans["change"] = terraform.changes()
    life.after_change = aws.described(terraform.outputs())
    for version in ("2", "1"):
        aws.move_alias(life.outputs["consumers"]["tip"]["function_name"], version)
        life.served.append(aws.described(life.outputs)["tip"]["alias"]["FunctionVersion"])
        if version != life.seen["tip"]["alias"]["FunctionVersion"]:
            life.plans["move"] = terraform.changes()

    aws.empty(life.outputs["dead_letter_bucket"])
    terraform.run("destroy", "-auto-approve", "-refresh=false")
    life.left = terraform.addresses()
    return life


def refused(terraform: Terraform, **changed: Any) -> str:
    """Plan with changed variables; return what Terraform says if it fails."""
    other = Terraform(terraform.folder, terraform.variables | changed, terraform.endpoint)
    try:
        other.run("plan")
    except TerraformError as error:
        return " ".join(str(error).replace("│", " ").split())
    return ""


def handle(seen: dict[str, Any], endpoint: str) -> Handled:
    """Run the real handler with the environment that its function has on AWS."""
    variables = seen["function"]["Environment"]["Variables"]
    batch = event(ride(256), b"poison")
    for record in batch["Records"]:
        record["eventSourceARN"] = seen["mapping"]["EventSourceArn"]
    printed = io.StringIO()
    with (
        lambda_environment(variables, REGION, endpoint),
        recorded_calls(f"{REGION}:{ACCOUNT}") as calls,
        redirect_stdout(printed),
    ):
        response = build_consumer(variables).handle(batch)
    return Handled(response, calls, [json.loads(line) for line in printed.getvalue().splitlines()])


class Account:
    """The emulated account, by boto3.

    Args:
        endpoint: Where it is.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def client(self, service: str) -> Any:
        """Return a client."""
        return boto3.client(  # type: ignore[call-overload]
            service, region_name=REGION, endpoint_url=self._endpoint
        )

    def described(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Describe what the outputs name, as AWS's API answers."""
        kinesis, functions, s3 = (self.client(name) for name in ("kinesis", "lambda", "s3"))
        ecr, logs, alarms = (self.client(name) for name in ("ecr", "logs", "cloudwatch"))
        bucket = outputs["dead_letter_bucket"]
        found: dict[str, Any] = {
            name: kinesis.describe_stream_summary(StreamName=outputs[name]["name"])[
                "StreamDescriptionSummary"
            ]
            for name in ("event_stream", "prediction_stream")
        }
        found["bucket"] = {
            "versioning": s3.get_bucket_versioning(Bucket=bucket),
            "encryption": s3.get_bucket_encryption(Bucket=bucket),
            "public": s3.get_public_access_block(Bucket=bucket),
            "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket=bucket),
        }
        (found["repository"],) = ecr.describe_repositories()["repositories"]
        found["alarms"] = alarms.describe_alarms()["MetricAlarms"]
        firehose, glue = self.client("firehose"), self.client("glue")
        found["delivery streams"] = {
            table: firehose.describe_delivery_stream(DeliveryStreamName=name)[
                "DeliveryStreamDescription"
            ]
            for table, name in outputs["archive"]["delivery_streams"].items()
        }
        database = outputs["archive"]["database"]
        tables = glue.get_tables(DatabaseName=database)["TableList"]
        found["tables"] = {table["Name"]: table for table in tables}
        dashboard = alarms.get_dashboard(DashboardName=outputs["dashboard_name"])
        found["dashboard"] = json.loads(dashboard["DashboardBody"])
        found["decision_stream"] = kinesis.describe_stream_summary(
            StreamName=outputs["decision_stream"]["name"]
        )["StreamDescriptionSummary"]
        found["table"] = described_table(self.client("dynamodb"), outputs["decisions"]["table"])
        schedule = outputs["decisions"]["schedule"]
        found["schedule"] = self.client("scheduler").get_schedule(Name=schedule)
        found["openings"] = functions.get_event_source_mapping(
            UUID=outputs["decisions"]["openings_mapping_uuid"]
        )
        of_all = {**outputs["consumers"], "decisions": outputs["decisions"]}
        for name, consumer in of_all.items():
            function = consumer["function_name"]
            group = consumer["log_group"]
            found[name] = {
                "function": functions.get_function_configuration(FunctionName=function),
                "code": functions.get_function(FunctionName=function)["Code"],
                "alias": functions.get_alias(FunctionName=function, Name=consumer["alias"]),
                "mapping": functions.get_event_source_mapping(UUID=consumer["mapping_uuid"]),
                "log group": logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0],
                "filters": logs.describe_metric_filters(logGroupName=group)["metricFilters"],
            }
        return found

    def publish_model(self, bucket: str, prefix: str) -> None:
        """Put the bundle that ships on S3, and a pointer to it."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for path in (ROOT / "models").rglob("*"):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(ROOT).as_posix()}"
                s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        pointer = pointer_to(ROOT / "models", ROOT)
        s3.put_object(Bucket=bucket, Key=f"{prefix}/champion.json", Body=pointer)

    def put_policy(self, bucket: str, key: str) -> None:
        """Put the policy of the example of rides on S3."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=bucket, Key=key, Body=POLICY.read_bytes())

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return a table's items, in DynamoDB's JSON."""
        found: list[dict[str, Any]] = self.client("dynamodb").scan(TableName=table)["Items"]
        return found

    def objects(self, bucket: str) -> list[str]:
        """Return the keys in a bucket."""
        found = self.client("s3").list_objects_v2(Bucket=bucket)
        return [each["Key"] for each in found.get("Contents", [])]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the JSON records of a stream, aggregated ones left out."""
        kinesis = self.client("kinesis")
        records = []
        for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
            place = {"StreamName": stream, "ShardId": shard["ShardId"]}
            iterator = kinesis.get_shard_iterator(**place, ShardIteratorType="TRIM_HORIZON")
            read = kinesis.get_records(ShardIterator=iterator["ShardIterator"])
            records += [json.loads(each["Data"]) for each in read["Records"]]
        return records

    def move_alias(self, function: str, version: str) -> None:
        """Move the alias as a deployment does, with a description of its own."""
        self.client("lambda").update_alias(
            FunctionName=function,
            Name="live",
            FunctionVersion=version,
            Description="previous version: 1",
        )

    def empty(self, bucket: str) -> None:
        """Delete every version of every object."""
        s3 = self.client("s3")
        for each in s3.list_object_versions(Bucket=bucket).get("Versions", []):
            s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
