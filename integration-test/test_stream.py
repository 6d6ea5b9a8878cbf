"""Records that are put on a stream come out as predictions, through the image."""

import base64
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from aws_cli import aws
from containers import EMULATOR_PORT, Stack, json_lines, url, wait_until
from local.embedded_kinesis import ensure_stream
from local.event_source_mapping import EventSourceMapping
from local.event_source_mapping.configuration import (
    PARTIAL_RESPONSES,
    EventSourceMappingConfiguration,
)
from local.runtime_emulator import RuntimeEmulator
from scripts.smoke import main as smoke
from streaming.publisher import Publisher
from streaming.reader.stream_reader import StreamReader
from traffic import BY_HAND, Traffic, traffic

ACCESS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
PUT_SECONDS = 60.0
COUNTS = ("received", "published", "skipped", "dead_lettered", "failed", "retried")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the function made of the traffic.

    Attributes:
        throttled: Whether Kinesis refused many puts.
        traffic: What was put, beside the ride put by hand.
        predictions: All records of the output stream.
        dead_letters: All dead-letter records.
        counts: Sums of the counts that the function logs for each batch.
    """

    throttled: bool
    traffic: Traffic
    predictions: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    counts: Mapping[str, int]


@pytest.fixture(scope="module", params=["calm", "throttled"])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    stack: Stack = request.getfixturevalue(f"{request.param}_stack")
    kinesis, s3 = client("kinesis", stack), client("s3", stack)
    for stream in ("ride_events", "ride_predictions"):
        ensure_stream(kinesis, stream, shards=2)
    s3.create_bucket(Bucket="dead-letters")

    put = traffic()
    put_by_hand(stack, tmp_path_factory.mktemp("event") / "event.json")
    put_result = Publisher(kinesis, "ride_events").publish(
        put.entries, time.monotonic() + PUT_SECONDS
    )
    assert put_result.accepted == len(put.entries), put_result.failure

    mapping = event_source_mapping(kinesis, stack)
    records = len(put.entries) + 1
    with mapping:
        wait_until(lambda: mapping.snapshot().records_done >= records, "end of the stream")
    return Outcome(
        throttled=request.param == "throttled",
        traffic=put,
        predictions=read_predictions(kinesis),
        dead_letters=read_dead_letters(s3),
        counts=read_counts(stack),
    )


def event_source_mapping(kinesis: Any, stack: Stack) -> EventSourceMapping:
    return EventSourceMapping(
        kinesis,
        "ride_events",
        RuntimeEmulator(url(stack.function, EMULATOR_PORT)),
        EventSourceMappingConfiguration(
            batch_size=10, function_response_types=(PARTIAL_RESPONSES,)
        ),
    )


def client(service: str, stack: Stack) -> Any:
    """Build a boto3 client that does not retry; the project's own programs retry."""
    session: Any = boto3.Session(
        ACCESS["AWS_ACCESS_KEY_ID"],
        ACCESS["AWS_SECRET_ACCESS_KEY"],
        region_name=ACCESS["AWS_DEFAULT_REGION"],
    )
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    return session.client(service, endpoint_url=stack.endpoint_url, config=once)


def put_by_hand(stack: Stack, file: Path) -> None:
    file.write_text(json.dumps(BY_HAND))
    command = ["kinesis", "put-record", "--endpoint-url", stack.endpoint_url]
    # Both versions of the command put the bytes of fileb:// as they are.
    record = [
        "--stream-name",
        "ride_events",
        "--partition-key",
        "hand",
        "--data",
        f"fileb://{file}",
    ]
    aws(*command, *record, environment={**ACCESS, "AWS_MAX_ATTEMPTS": "20"})


def read_predictions(kinesis: Any) -> list[dict[str, Any]]:
    reader = StreamReader(kinesis, "ride_predictions", follow=False, duplicate_window=1)
    return [json.loads(record.data) for record in reader]


def read_dead_letters(s3: Any) -> list[dict[str, Any]]:
    listed = s3.list_objects_v2(Bucket="dead-letters", Prefix="rides/ride_events/")["Contents"]
    bodies = (s3.get_object(Bucket="dead-letters", Key=o["Key"])["Body"].read() for o in listed)
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def read_counts(stack: Stack) -> Mapping[str, int]:
    counts = Counter(dict.fromkeys(COUNTS, 0))
    for line in json_lines(stack.function):
        if line.get("message") == "batch":
            counts.update({name: line[name] for name in COUNTS})
    return counts


def test_every_ride_is_predicted_once_by_event_id(outcome: Outcome) -> None:
    by_event_id = {p["event_id"]: p["prediction"] for p in outcome.predictions}
    ride_ids = [prediction["ride_id"] for prediction in by_event_id.values()]

    assert Counter(ride_ids) == Counter([*outcome.traffic.ride_ids, BY_HAND["ride_id"]])


def test_a_prediction_is_in_minutes_and_dollars_under_the_bundles_version(outcome: Outcome) -> None:
    manifest = json.loads((Path(__file__).parent.parent / "models" / "manifest.json").read_text())
    (found,) = [p for p in outcome.predictions if p["prediction"]["ride_id"] == BY_HAND["ride_id"]]

    assert found["model"] == "ride_duration_tip_prediction_model"
    assert found["version"] == manifest["version"]
    assert 5 < found["prediction"]["ride_duration"] < 60
    assert 0 < found["prediction"]["ride_tip"] < 20


def test_poison_is_dead_lettered_unchanged(outcome: Outcome) -> None:
    kept = [base64.b64decode(record["data"]) for record in outcome.dead_letters]

    assert sorted(kept) == sorted(outcome.traffic.poison)
    assert all(record["error_message"] for record in outcome.dead_letters)


def test_every_user_record_is_accounted_for(outcome: Outcome) -> None:
    put, counts = outcome.traffic, outcome.counts

    assert counts["published"] == len(put.ride_ids) + 1
    assert counts["dead_lettered"] == len(put.poison)
    assert counts["skipped"] == put.unrecognised
    assert counts["failed"] == 0
    assert counts["received"] == put.user_records + 1


def test_refused_predictions_are_resent(outcome: Outcome) -> None:
    assert (outcome.counts["retried"] > 0) == outcome.throttled


def test_the_smoke_test_passes_on_localstack(
    outcome: Outcome, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "throttled_stack" if outcome.throttled else "calm_stack"
    stack: Stack = request.getfixturevalue(name)
    kinesis = client("kinesis", stack)
    # The mapping reads the stream from its beginning: what was predicted before is predicted again.
    with event_source_mapping(kinesis, stack):
        status = smoke(["--endpoint-url", stack.endpoint_url], client=kinesis)

    shown = capsys.readouterr()
    assert status == 0, shown.err
    assert "20 of 20 predicted by ride_duration_tip_prediction_model" in shown.out
