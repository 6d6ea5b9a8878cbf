"""What stands on AWS after an apply, read back and compared with what the code needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.arns import stream_of_arn
from streaming.consumer.settings import ALLOWED, Settings
from tests.infrastructure.deployment_life import FIRST, PATTERN, SECOND

if TYPE_CHECKING:
    from tests.infrastructure.deployment_life import Life

pytestmark = pytest.mark.rides

BOTH = pytest.mark.parametrize("consumer", ["duration_tip", "tip"])


def test_the_alias_moves_and_rolls_back_and_every_plan_is_empty(life: Life) -> None:
    assert life.plans == {"apply": [], "change": [], "move": []}
    assert life.served == ["2", "1"]


def test_nothing_is_left_after_a_destruction(life: Life) -> None:
    assert life.resources
    assert life.left == []


def test_without_an_image_the_error_says_what_is_allowed(life: Life) -> None:
    assert "image is not set; allowed is REPOSITORY@sha256:DIGEST" in life.refusals["no image"]


def test_a_record_age_beyond_the_retention_is_refused(life: Life) -> None:
    refusal = life.refusals["record age"]

    assert "maximum_record_age_seconds of tip is 86400; allowed is less than" in refusal
    assert "the retention of rides-events, 86400 s" in refusal


def test_both_streams_are_encrypted_by_the_projects_key(life: Life) -> None:
    (key,) = (v["arn"] for v in life.resources.values() if v["type"] == "aws_kms_key")

    for stream in ("event_stream", "prediction_stream"):
        found = life.seen[stream]
        assert (found["EncryptionType"], found["KeyId"]) == ("KMS", key)
        assert found["RetentionPeriodHours"] == 24


def test_more_shards_and_another_image_arrive(life: Life) -> None:
    assert life.seen["event_stream"]["OpenShardCount"] == 2
    assert life.after_change["event_stream"]["OpenShardCount"] == 4
    assert life.seen["tip"]["code"]["ImageUri"] == FIRST
    assert life.after_change["tip"]["code"]["ImageUri"] == SECOND


@BOTH
def test_another_image_is_another_version_and_the_alias_stays(life: Life, consumer: str) -> None:
    assert life.outputs["consumers"][consumer]["version"] == "1"
    assert life.after_change[consumer]["alias"]["FunctionVersion"] == "1"


@BOTH
def test_the_function_is_what_the_image_needs(life: Life, consumer: str) -> None:
    function = life.seen[consumer]["function"]

    assert function["PackageType"] == "Image"
    assert function["Architectures"] == ["arm64"]
    assert function["ImageConfigResponse"]["ImageConfig"]["Command"] == [
        "lambda_function.lambda_handler"
    ]
    assert function["Timeout"] == 60
    assert function["MemorySize"] == {"duration_tip": 512, "tip": 1769}[consumer]


@BOTH
def test_the_code_takes_the_settings(life: Life, consumer: str) -> None:
    variables = life.seen[consumer]["function"]["Environment"]["Variables"]
    settings = Settings.from_environment(variables)

    assert settings.predictions_stream_name == life.outputs["prediction_stream"]["name"]
    assert (
        settings.dead_letters
        == f"s3://{life.outputs['dead_letter_bucket']}/dead-letters/{consumer}"
    )
    assert variables["MODELS"] == {"duration_tip": "duration,tip", "tip": "tip"}[consumer]


def test_settings_of_a_consumer_arrive(life: Life) -> None:
    variables = life.seen["tip"]["function"]["Environment"]["Variables"]

    assert variables["MODEL_LOCATION"] == "s3://bundles/rides/champion.json"
    found = Settings.from_environment(variables)
    assert (found.aggregate_output, found.model_refresh_seconds) == ("hot", 60)
    assert variables.keys() - ALLOWED.keys() == {"MODELS", "MODEL_LOCATION"}
    assert life.seen["duration_tip"]["function"]["Environment"]["Variables"]["RUN_ID"] == "trial"


@BOTH
def test_lambdas_log_level_is_the_settings(life: Life, consumer: str) -> None:
    logging = life.seen[consumer]["function"]["LoggingConfig"]

    assert logging["LogFormat"] == "JSON"
    assert logging["ApplicationLogLevel"] == {"duration_tip": "INFO", "tip": "DEBUG"}[consumer]
    assert logging["LogGroup"] == life.outputs["consumers"][consumer]["log_group"]
    assert life.seen[consumer]["log group"]["retentionInDays"] == 30
    assert life.seen[consumer]["log group"]["kmsKeyId"]


@BOTH
def test_the_mapping_invokes_the_alias_and_loses_nothing(life: Life, consumer: str) -> None:
    mapping = life.seen[consumer]["mapping"]
    bucket = f"arn:aws:s3:::{life.outputs['dead_letter_bucket']}"

    assert mapping["FunctionArn"] == life.outputs["consumers"][consumer]["alias_arn"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == 100
    assert mapping["MaximumRecordAgeInSeconds"] == 12 * 3600
    assert mapping["BatchSize"] == 1000
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": bucket}}
    assert mapping["MetricsConfig"] == {"Metrics": ["EventCount"]}


def test_enhanced_fan_out_and_a_filter_are_of_one_consumer_only(life: Life) -> None:
    plain, fan_out = (life.seen[name]["mapping"] for name in ("duration_tip", "tip"))

    assert plain["EventSourceArn"] == life.outputs["event_stream"]["arn"]
    assert fan_out["EventSourceArn"].startswith(life.outputs["event_stream"]["arn"] + "/consumer/")
    assert fan_out["FilterCriteria"] == {"Filters": [{"Pattern": PATTERN}]}
    assert "FilterCriteria" not in plain


@BOTH
def test_a_ride_is_published_and_poison_dead_lettered_with_these_settings(
    life: Life, consumer: str
) -> None:
    stream = stream_of_arn(life.outputs["event_stream"]["arn"])
    model = {"duration_tip": "ride_duration_tip", "tip": "ride_tip"}[consumer]

    assert life.handled[consumer].response == {"batchItemFailures": []}
    (prediction,) = (
        each for each in life.seen["predictions"] if each["model"] == f"{model}_prediction_model"
    )
    assert prediction["stream"] == stream
    assert any(key.startswith(f"dead-letters/{consumer}/{stream}/") for key in life.seen["objects"])


def test_the_bucket_keeps_versions_and_shows_nobody(life: Life) -> None:
    bucket = life.seen["bucket"]

    assert bucket["versioning"]["Status"] == "Enabled"
    assert set(bucket["public"]["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["encryption"]["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    (kept,) = bucket["lifecycle"]["Rules"]
    assert kept["Expiration"]["Days"] == 90


def test_a_tag_in_the_repository_stays_what_it_is(life: Life) -> None:
    repository = life.seen["repository"]

    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
