"""The function as Lambda starts it: a fresh process, an environment, and an event."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lambda_function import build_consumer
from streaming import StreamReader
from streaming.consumer.interface import Prediction
from streaming.errors import SettingsError
from streaming.publisher import Publisher
from streaming.storage import S3Storage
from tests.lambda_events import event, ride

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
EVENT = json.loads((ROOT / "tests" / "events" / "kinesis.json").read_text())
EVENT_ID = "shardId-000000000000:49630081666084879290581185630324770398608704880802529282"

CONFIGURED = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
FORBIDDEN = {
    "benchmarks",
    "boto3",
    "cli",
    "demo",
    "local",
    "mlflow",
    "pandas",
    "sklearn",
    "training",
}


def start(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process with only this environment."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_start_imports_no_other_package_of_the_project() -> None:
    started = start(
        "import sys, json, lambda_function; print(json.dumps(sorted(sys.modules)))", **CONFIGURED
    )

    modules = {name.partition(".")[0] for name in json.loads(started.stdout)}
    assert "lambda_function" in modules
    assert not modules & FORBIDDEN


@pytest.mark.rides
def test_a_test_run_needs_no_region_and_no_credentials() -> None:
    started = start(
        f"import json, lambda_function as f; print(json.dumps(f.lambda_handler({EVENT!r}, None)))",
        TEST_RUN="True",
    )

    assert started.returncode == 0, started.stderr
    response = json.loads(started.stdout.splitlines()[-1])
    (prediction,) = response["predictions"]
    assert response["batchItemFailures"] == []
    assert prediction["event_id"] == EVENT_ID
    assert prediction["arrived_at"] == "2025-03-01T13:15:00.123Z"
    assert prediction["model"] == "ride_duration_tip_prediction_model"
    assert prediction["prediction"]["ride_id"] == 256
    assert 5 < prediction["prediction"]["ride_duration"] < 60
    assert 0 < prediction["prediction"]["ride_tip"] < 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("MODELS", "fare", marks=pytest.mark.rides),
        ("TEST_RUN", "perhaps"),
        ("DEAD_LETTERS", "somewhere"),
        pytest.param("MODEL_LOCATION", "no-such-folder", marks=pytest.mark.rides),
    ],
)
def test_an_invalid_setting_stops_the_start_with_one_line_that_names_it(
    name: str, value: str
) -> None:
    started = start("import lambda_function", **CONFIGURED, **{name: value})

    assert started.returncode != 0
    last_line = started.stderr.splitlines()[-1]
    assert value in last_line
    expected = ("allowed: ", "cannot read no-such-folder/manifest.json: ")
    assert any(text in last_line for text in expected)


def test_without_a_region_the_start_fails_with_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(SettingsError, match="AWS_REGION is not set; allowed: a region"):
        build_consumer({})


def test_without_credentials_the_start_fails_with_the_variable() -> None:
    started = start("import lambda_function", AWS_REGION="us-east-1")

    assert started.returncode != 0
    assert "AWS_ACCESS_KEY_ID is not set; allowed: a key" in started.stderr.splitlines()[-1]


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Return the URL of a Kinesis with a stream of predictions."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        kinesis = boto3.client("kinesis", endpoint_url=url)
        kinesis.create_stream(StreamName="predictions", ShardCount=1)
        yield url
        kinesis.delete_stream(StreamName="predictions")
    finally:
        server.stop()


@pytest.mark.rides
def test_rides_are_published_and_poison_is_dead_lettered(tmp_path: Path, endpoint: str) -> None:
    consumer = build_consumer(
        {
            "KINESIS_ENDPOINT_URL": endpoint,
            "PREDICTIONS_STREAM_NAME": "predictions",
            "DEAD_LETTERS": tmp_path.as_uri(),
            "RUN_ID": "mine",
        }
    )

    response = consumer.handle(event(ride(1), ride(2, PULocationID=999), ride("three")))

    kinesis = boto3.client("kinesis", endpoint_url=endpoint)
    predictions = all_records(kinesis, "predictions")
    assert response == {"batchItemFailures": []}
    assert [(p["prediction"]["ride_id"], p["version"]) for p in predictions] == [
        (1, "mine"),
        ("three", "mine"),
    ]
    (path,) = tmp_path.rglob("*.jsonl")
    assert "ride.PULocationID is 999; allowed: an integer from 1 to 265" in path.read_text()


@pytest.mark.rides
def test_aggregated_predictions_are_read_as_any_others(endpoint: str) -> None:
    consumer = build_consumer(
        {
            "KINESIS_ENDPOINT_URL": endpoint,
            "PREDICTIONS_STREAM_NAME": "predictions",
            "AGGREGATE_OUTPUT": "all",
        }
    )
    batch = event(*(ride(number) for number in range(200)))

    assert consumer.handle(batch) == {"batchItemFailures": []}

    kinesis = boto3.client("kinesis", endpoint_url=endpoint)
    iterator = kinesis.get_shard_iterator(
        StreamName="predictions", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    assert len(kinesis.get_records(ShardIterator=iterator)["Records"]) <= 64
    read = [json.loads(r.data) for r in StreamReader(kinesis, "predictions", follow=False)]
    assert {p["event_id"] for p in read} == {r["eventID"] for r in batch["Records"]}
    assert {p["prediction"]["ride_id"] for p in read} == set(range(200))


class Alarms:
    """A model without names of its own for the output stream and the metrics."""

    name, version, event_type = "alarm_model", "1", "alarm_predicted"

    def decode(self, content: bytes, arrived_at: float) -> bytes:
        assert arrived_at
        return content

    def predict(self, events: list[bytes]) -> list[Prediction]:
        return [Prediction("key", {"alarm": len(event) > 90}) for event in events]


class NamedAlarms(Alarms):
    output_stream, metrics_namespace = "alarms", "Alarms"


@pytest.mark.parametrize(
    ("model", "setting", "names"),
    [
        (Alarms(), "", ("predictions", "Predictions")),
        (NamedAlarms(), "", ("alarms", "Alarms")),
        (NamedAlarms(), "others", ("others", "Alarms")),
    ],
)
def test_another_model_brings_its_own_names_of_the_stream_and_the_metrics(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: Alarms,
    setting: str,
    names: tuple[str, str],
) -> None:
    put: list[str] = []

    def put_records(**call: Any) -> dict[str, Any]:
        put.append(call["StreamName"])
        return {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}]}

    monkeypatch.setattr("lambda_function.load_model", lambda *_: model)
    client = SimpleNamespace(put_records=put_records)
    monkeypatch.setattr("lambda_function.kinesis_client", lambda *_, **__: client)

    built = build_consumer({"PREDICTIONS_STREAM_NAME": setting})
    assert built.handle(event(b"x")) == {"batchItemFailures": []}

    assert put == [names[0]]
    assert f'"Namespace":"{names[1]}"' in capsys.readouterr().out


def test_the_model_in_the_readme_runs_with_its_own_names(tmp_path: Path) -> None:
    code = re.search(
        r'```python\n("""Is a machine.*?)```', (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert code
    (tmp_path / "model.py").write_text(code[1])
    batch = event(b'{"machine": "m1", "celsius": 99}', b'{"machine": 1}')

    started = start(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import lambda_function as f, json; "
        f"print(json.dumps(f.lambda_handler({batch!r}, None)))",
        TEST_RUN="True",
    )

    assert started.returncode == 0, started.stderr
    assert '"Namespace":"Alarms"' in started.stdout
    response = json.loads(started.stdout.splitlines()[-1])
    assert [each["prediction"] for each in response["predictions"]] == [{"alarm": True}]
    assert response["batchItemFailures"] == [{"itemIdentifier": "2"}]


def test_a_call_ends_in_the_time_that_the_consumer_keeps_for_it() -> None:
    built = build_consumer(
        {"KINESIS_ENDPOINT_URL": "http://127.0.0.1:1", "DEAD_LETTERS": "s3://dead"}
    )

    publisher, dead_letters = built._publisher, built._dead_letters
    assert isinstance(publisher, Publisher)
    assert isinstance(dead_letters, S3Storage)
    clients: list[Any] = [publisher._client, dead_letters._connected()]
    for client in clients:
        pools = client._endpoint.http_session._pool_classes_by_scheme
        assert {pool.args for pool in pools.values()} == {(built._call_seconds,)}


def all_records(kinesis: Any, stream: str) -> list[dict[str, Any]]:
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    return [json.loads(record["Data"]) for record in records]
