"""Alarms read metrics that exist, tell the topic, and each has its section in docs/operate.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model import load_model
from streaming.consumer.batch import BatchCounts
from streaming.consumer.telemetry import UNITS, Telemetry

if TYPE_CHECKING:
    from tests.infrastructure.deployment_life import Life

ROOT = Path(__file__).parent.parent.parent
RUNBOOK = (ROOT / "docs" / "operate.md").read_text()
SECTIONS = {
    title.lower().replace(" ", "-") for title in re.findall(r"^### (.+)$", RUNBOOK, re.MULTILINE)
}
NAMED = {
    *(
        name
        for module in ("mapping/alarms.tf", "observability/main.tf")
        for name in re.findall(
            r"#([a-z-]+)\"$",
            (ROOT / "infrastructure/modules" / module).read_text(),
            re.MULTILINE,
        )
    ),
    *(
        name
        for module in (
            "consumer/alarms.tf",
            "mapping/alarms.tf",
            "stream/main.tf",
            "archive/alarms.tf",
            "decisions/alarms.tf",
        )
        for name in re.findall(
            r"^    ([a-z-]+) = \{$",
            (ROOT / "infrastructure/modules" / module).read_text(),
            re.MULTILINE,
        )
    ),
}
"""The alarms in the code; a test with Terraform holds them to those that are applied."""


def test_each_alarm_has_its_section_and_each_section_its_alarm() -> None:
    assert len(NAMED) == 19
    assert NAMED == SECTIONS


def test_the_applied_alarms_are_those_of_the_code_and_link_to_their_section(life: Life) -> None:
    links = [
        re.search(r"What to do: docs/operate\.md#([a-z-]+)$", each["AlarmDescription"])
        for each in life.seen["alarms"]
    ]

    assert {link[1] for link in links if link} == NAMED
    for alarm, link in zip(life.seen["alarms"], links, strict=True):
        assert link
        assert alarm["AlarmName"].endswith(link[1])


def test_every_alarm_tells_the_topic_when_it_begins_and_ends(life: Life) -> None:
    for alarm in life.seen["alarms"]:
        assert alarm["AlarmActions"] == alarm["OKActions"] == [life.outputs["alarm_topic_arn"]]


def test_the_alarms_of_a_consumer_are_its_output(life: Life) -> None:
    names = {alarm["AlarmName"] for alarm in life.seen["alarms"]}

    for name, consumer in life.outputs["consumers"].items():
        assert len(consumer["alarms"]) == {"duration_tip": 10, "tip": 11}[name]
        assert set(consumer["rollback_alarms"]) < set(consumer["alarms"]) < names
        assert [
            name.removeprefix(consumer["function_name"] + "-")
            for name in consumer["rollback_alarms"]
        ] == ["dead-letters", "errors", "iterator-age"]


@pytest.mark.rides
@pytest.mark.parametrize("consumer", ["duration_tip", "tip"])
def test_cloudwatch_counts_what_the_functions_log_says(life: Life, consumer: str) -> None:
    """The filters' pattern, read by hand: the line of a batch, with a count above 0."""
    (line,) = (each for each in life.handled[consumer].log if each.get("message") == "batch")
    counted = {}
    for each in life.seen[consumer]["filters"]:
        if each["filterName"] == "ModelRefreshFailed":
            continue
        found = re.fullmatch(r'\{ \$\.message = "batch" && \$\.(\w+) > 0 \}', each["filterPattern"])
        (transformation,) = each["metricTransformations"]
        assert found
        assert transformation["metricValue"] == f"$.{found[1]}"
        counted[transformation["metricName"]] = line[found[1]]

    assert counted == {"DeadLettered": 1, "Failed": 0}
    assert counted.keys() < UNITS.keys()


def test_cloudwatch_counts_models_that_could_not_be_loaded_where_there_is_a_pointer(
    life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    """The filter's pattern, read by hand: the line of a batch's metrics has a list above 0."""
    telemetry = Telemetry("a_model", "Rides")
    for failures in (0, 2):
        for _ in range(failures):
            telemetry.model_refresh_failed("no such bundle", log=False)
        telemetry.batch(BatchCounts(), latency=0.1, arrival_age=None, request_id=None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {
        name: [
            (each["filterPattern"], each["metricTransformations"][0]["metricValue"])
            for each in life.seen[name]["filters"]
            if each["filterName"] == "ModelRefreshFailed"
        ]
        for name in ("duration_tip", "tip")
    }

    assert found == {"duration_tip": [], "tip": [("{ $.ModelRefreshFailed[0] > 0 }", "1")]}
    assert [line["ModelRefreshFailed"] for line in lines if "ModelRefreshFailed" in line] == [[2]]


@pytest.mark.parametrize("consumer", ["duration_tip", "tip"])
def test_alarms_on_the_functions_own_metrics_read_what_the_filters_write(
    life: Life, consumer: str
) -> None:
    written = {
        (
            each["metricTransformations"][0]["metricNamespace"],
            each["metricTransformations"][0]["metricName"],
        )
        for each in life.seen[consumer]["filters"]
    }
    function = life.outputs["consumers"][consumer]["function_name"]
    read = {
        (alarm["Namespace"], alarm["MetricName"])
        for alarm in life.seen["alarms"]
        if alarm.get("Namespace") == function
    }

    assert read == written


@pytest.mark.parametrize("consumer", ["duration_tip", "tip"])
def test_a_mapping_that_reads_nothing_is_told_by_its_own_stream_and_function(
    life: Life, consumer: str
) -> None:
    of = life.outputs["consumers"][consumer]
    (alarm,) = (
        each
        for each in life.seen["alarms"]
        if each["AlarmName"] == f"{of['function_name']}-not-reading"
    )
    read = {
        query["Id"]: query["MetricStat"]["Metric"]["Dimensions"]
        for query in alarm["Metrics"]
        if "MetricStat" in query
    }

    assert read == {
        "incoming": [{"Name": "StreamName", "Value": life.outputs["event_stream"]["name"]}],
        "polled": [{"Name": "EventSourceMappingUUID", "Value": of["mapping_uuid"]}],
        "invoked": [{"Name": "FunctionName", "Value": of["function_name"]}],
    }


@pytest.mark.rides
def test_the_dashboard_shows_metrics_of_the_model(life: Life) -> None:
    body = json.dumps(life.seen["dashboard"])
    namespace = load_model({}, lambda: None).metrics_namespace
    searched = set(re.findall(rf"\{{{namespace},service\}} MetricName=\\+\"(\w+)", body))

    assert {"Received", "Published", "DeadLettered", "BatchLatency", "ArrivalAge"} <= searched
    assert searched <= UNITS.keys()


def test_the_dashboard_shows_each_subject(life: Life) -> None:
    titles = " ".join(widget["properties"]["title"] for widget in life.seen["dashboard"]["widgets"])

    for subject in ("Rate", "Latency", "Iterator age", "Dead letters", "Versions", "Cost drivers"):
        assert subject in titles


@pytest.mark.parametrize("alarm", sorted(NAMED))
def test_a_section_has_three_causes_the_commands_and_what_to_do(alarm: str) -> None:
    (section,) = (
        text
        for text in re.split(r"^##+ ", RUNBOOK, flags=re.MULTILINE)
        if text.splitlines()[0].lower().replace(" ", "-") == alarm
    )
    causes, _, actions = section.partition("What to do")
    (block,) = re.findall(r"```sh\n(.*?)```", causes, re.DOTALL)[:1]

    for part in (causes, actions):
        assert re.findall(r"^(\d)\. ", part, re.MULTILINE) == ["1", "2", "3"]
    assert re.search(r"^(aws|metric|logged) ", block, re.MULTILINE)
