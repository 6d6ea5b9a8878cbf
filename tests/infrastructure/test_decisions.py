"""The decision service's table is the code's, and the code works on it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streaming.consumer.settings import Settings
from streaming.decisions.decision_service import SCHEDULED
from streaming.decisions.decision_table import DUE_INDEX, TABLE, TTL
from tests.infrastructure.handled_decisions import DECIDED, OVERDUE, WAITING

if TYPE_CHECKING:
    from tests.infrastructure.deployment_life import Life

ROOT = Path(__file__).parents[2]
MODULE = (ROOT / "infrastructure" / "modules" / "decisions" / "main.tf").read_text()
LINES, BLOCK = re.MULTILINE, re.MULTILINE | re.DOTALL
DOCUMENT = (ROOT / "docs" / "decisions.md").read_text()


def ordered(table: dict[str, Any]) -> dict[str, Any]:
    """Return what CreateTable takes, in an order of its own where DynamoDB's has no meaning."""
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in table["GlobalSecondaryIndexes"]
    ]
    attributes = sorted(table["AttributeDefinitions"], key=lambda each: each["AttributeName"])
    billing = table.get("BillingMode") or table["BillingModeSummary"]["BillingMode"]
    return {
        "KeySchema": table["KeySchema"],
        "AttributeDefinitions": attributes,
        "GlobalSecondaryIndexes": indexes,
        "BillingMode": billing,
    }


def declared() -> dict[str, Any]:
    """Return the table of the module, read by hand: what `make test` can do without Terraform."""
    (table,) = re.findall(r'resource "aws_dynamodb_table" "items" \{\n(.*?)^\}', MODULE, BLOCK)
    (index,) = re.findall(r"^  global_secondary_index \{\n(.*?)^  \}", table, BLOCK)

    def value(name: str, block: str) -> str:
        (found,) = re.findall(rf"^ +{name}\s+= (\S+)$", block, LINES)
        return str(found).strip('"')

    (due,) = re.findall(r'^  due_index = "(\w+)"$', MODULE, LINES)
    names = re.findall(r'^  attribute \{\n    name = "(\w+)"\n    type = "(\w)"', table, LINES)
    top = table.replace(index, "")
    assert value("name", index) == "local.due_index"
    return {
        "KeySchema": [{"AttributeName": value("hash_key", top), "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in names
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": due,
                "KeySchema": [
                    {"AttributeName": value("hash_key", index), "KeyType": "HASH"},
                    {"AttributeName": value("range_key", index), "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": value("projection_type", index)},
            }
        ],
        "BillingMode": value("billing_mode", top),
    }


def test_the_declared_table_is_the_codes() -> None:
    assert ordered(declared()) == ordered(TABLE)
    (ttl,) = re.findall(r"^  ttl \{\n(.*?)^  \}", MODULE, BLOCK)
    assert dict(re.findall(r"(\w+)\s+= (\S+)", ttl)) == {
        "enabled": str(TTL["Enabled"]).lower(),
        "attribute_name": f'"{TTL["AttributeName"]}"',
    }


def test_the_created_table_is_the_codes(life: Life) -> None:
    created = life.seen["table"]

    assert ordered(created) == ordered(TABLE)
    assert created["ttl"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": TTL["AttributeName"],
    }


def test_the_table_is_encrypted_by_the_projects_key_and_can_be_restored(life: Life) -> None:
    (key,) = (v["arn"] for v in life.resources.values() if v["type"] == "aws_kms_key")

    assert life.seen["table"]["SSEDescription"]["KMSMasterKeyArn"] == key
    assert life.seen["table"]["recovery"] == "ENABLED"
    assert life.seen["decision_stream"]["KeyId"] == key


def test_the_function_has_the_services_command_and_its_settings(life: Life) -> None:
    function = life.seen["decisions"]["function"]
    variables = function["Environment"]["Variables"]
    settings = Settings.from_environment(variables)

    command = ["streaming.decisions.decision_function.handler"]
    assert function["ImageConfigResponse"]["ImageConfig"]["Command"] == command
    assert f"`{command[0]}`" in DOCUMENT
    assert variables["DECISION_POLICY"] == "s3://policies/rides/quotes.json"
    assert variables["DECISION_TABLE"] == life.outputs["decisions"]["table"]
    assert settings.predictions_stream_name == life.outputs["decision_stream"]["name"]
    assert settings.dead_letters is not None
    assert settings.dead_letters.endswith("/dead-letters/decisions")
    assert settings.log_level == "DEBUG"
    assert function["LoggingConfig"]["ApplicationLogLevel"] == "DEBUG"


@pytest.mark.parametrize(
    ("mapping", "stream"), [("mapping", "prediction_stream"), ("openings", "event_stream")]
)
def test_both_mappings_invoke_the_alias_and_lose_nothing(
    life: Life, mapping: str, stream: str
) -> None:
    found = (life.seen["decisions"] | {"openings": life.seen["openings"]})[mapping]

    assert found["EventSourceArn"] == life.outputs[stream]["arn"]
    assert found["FunctionArn"] == life.outputs["decisions"]["alias_arn"]
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["BisectBatchOnFunctionError"] is True
    assert (found["MaximumRetryAttempts"], found["MaximumRecordAgeInSeconds"]) == (100, 12 * 3600)
    assert found["DestinationConfig"]["OnFailure"]["Destination"].endswith(
        life.outputs["dead_letter_bucket"]
    )


def test_the_schedule_ticks_every_minute_and_keeps_no_tick_for_later(life: Life) -> None:
    schedule = life.seen["schedule"]
    (config,) = (
        each
        for each in life.resources.values()
        if each["type"] == "aws_lambda_function_event_invoke_config"
    )

    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 minute)", "ENABLED")
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert json.loads(schedule["Target"]["Input"]) == {"detail-type": SCHEDULED}
    assert schedule["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] == 60
    assert (config["maximum_retry_attempts"], config["maximum_event_age_in_seconds"]) == (0, 60)
    assert config["qualifier"] == "live"


def test_the_code_decides_on_the_table_and_streams_of_terraform(life: Life) -> None:
    results, opening, tick = life.handled["decisions"].response["responses"]

    assert results == opening == {"batchItemFailures": []}
    assert tick == {"due": 1}
    decided = {each["prediction"]["ride_id"]: each["prediction"] for each in life.seen["quotes"]}
    assert {ride: each["outcome"] for ride, each in decided.items()} == {
        DECIDED: "ask_for_tip",
        OVERDUE: "incomplete",
    }
    assert decided[OVERDUE]["because"] == "time_up"
    items = {item["item"]["S"]: item for item in life.seen["items"]}
    assert items.keys() == {str(ride) for ride in (DECIDED, WAITING, OVERDUE)}
    assert TTL["AttributeName"] in items[str(DECIDED)]
    assert {"due_bucket", "due_at"} <= items[str(WAITING)].keys()
    results_stream = life.outputs["prediction_stream"]["name"]
    assert any(
        key.startswith(f"dead-letters/decisions/{results_stream}/") for key in life.seen["objects"]
    )


def test_cloudwatch_reads_what_a_ticks_line_says(life: Life) -> None:
    """The filters' patterns, read by hand."""
    (line,) = (each for each in life.handled["decisions"].log if each.get("message") == "tick")
    filters = {
        each["filterName"]: (each["filterPattern"], each["metricTransformations"][0]["metricValue"])
        for each in life.seen["decisions"]["filters"]
        if "tick" in each["filterPattern"]
    }

    assert filters == {
        "Ticks": ('{ $.message = "tick" }', "1"),
        "OverdueSeconds": (
            '{ $.message = "tick" && $.overdue_seconds > 0 }',
            "$.overdue_seconds",
        ),
    }
    assert 3500 < line["overdue_seconds"] < 7000  # it was due for an hour
    assert DUE_INDEX in MODULE


def test_alarms_on_ticks_read_what_the_filters_write(life: Life) -> None:
    function = life.outputs["decisions"]["function_name"]
    own = life.outputs["decisions"]["alarms"]
    alarms = {
        each["AlarmName"].removeprefix(f"{function}-"): each
        for each in life.seen["alarms"]
        if each["AlarmName"] in own
    }

    assert len(alarms) == len(own) == 16  # ten of its function, three of openings, three of its own
    assert set(life.outputs["decisions"]["rollback_alarms"]) < set(own)
    overdue, ticks = alarms["overdue-decisions"], alarms["no-ticks"]
    assert (overdue["Namespace"], overdue["MetricName"]) == (function, "OverdueSeconds")
    assert (ticks["Namespace"], ticks["MetricName"]) == (function, "Ticks")
    assert ticks["TreatMissingData"] == "breaching"
    (table,) = alarms["table-throttles"]["Dimensions"]
    assert table == {"Name": "TableName", "Value": life.outputs["decisions"]["table"]}


@pytest.mark.parametrize("mapping", ["", "openings-"])
def test_a_tick_does_not_hide_that_a_mapping_reads_nothing(life: Life, mapping: str) -> None:
    name = f"{life.outputs['decisions']['function_name']}-{mapping}not-reading"
    (alarm,) = (each for each in life.seen["alarms"] if each["AlarmName"] == name)
    queries = {query["Id"]: query for query in alarm["Metrics"]}

    assert queries.keys() == {"silent", "incoming", "polled"}
    assert queries["silent"]["Expression"] == "IF(incoming > 0 AND FILL(polled, 0) < 1, 1, 0)"


def test_a_record_age_beyond_a_streams_retention_is_refused(life: Life) -> None:
    refusal = life.refusals["record age of decisions"]

    assert "decisions.maximum_record_age_seconds of decisions is 86400; allowed is less" in refusal
