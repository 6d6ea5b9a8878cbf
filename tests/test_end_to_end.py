"""`python -m demo` with an embedded Kinesis, the real function and the real models."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import EndpointConnectionError

from scripts.smoke import main as smoke
from streaming.clients import kinesis_client
from tests.demo_run import DEADLINE_SECONDS, PROJECT, UNUSABLE, Run

REST_OF_A_TRIP = {
    "PULocationID": 130,
    "DOLocationID": 205,
    "trip_distance": 3.66,
    "passenger_count": 1,
    "payment_type": 1,
    "tip_amount": 2.5,
}

SMALLEST_EVENT: dict[str, Any] = {
    "ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66},
    "ride_id": 256,
}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start_run(*arguments: str) -> Run:
        runs.append(Run(tmp_path, *arguments))
        return runs[-1]

    yield start_run
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.end()


@pytest.mark.rides
def test_every_ride_is_predicted_or_dead_lettered(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    run = start(
        "--rides", "400", "--rate", "400", "--poison", "0.05", "--seed", "1", "--shards", "2"
    )
    assert run.end() == 0
    assert run.count("rides put") == 400
    assert run.count("predicted") + run.count("dead-lettered") == 400
    assert run.count("outstanding") == run.count("duplicates") == 0
    records = [
        json.loads(line)
        for path in tmp_path.rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert len(records) == run.count("dead-lettered")
    assert 5 < len(records) < 40
    assert all(record["error_message"] for record in records)


@pytest.mark.rides
def test_real_trips_start_and_end_in_event_time_and_every_event_is_accounted_for_and_archived(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    pickups = [datetime(2025, 3, 1, 8) + timedelta(seconds=10 * n) for n in range(60)]  # noqa: DTZ001  as in the files
    columns: dict[str, list[Any]] = {
        "lpep_pickup_datetime": pickups,
        "lpep_dropoff_datetime": [None, *(each + timedelta(minutes=5) for each in pickups[1:])],
        **{name: [number] * 60 for name, number in REST_OF_A_TRIP.items()},
    }
    pq.write_table(pa.table(columns), tmp_path / "month.parquet")

    run = start(
        *("--data", str(tmp_path / "month.parquet"), "--speed", "600", "--poison", "0.2"),
        *("--archive", str(tmp_path / "archive")),
    )

    assert run.end() == 0
    assert run.count("rides put") == run.count("predicted") + run.count("dead-lettered") == 60
    assert run.count("ends of rides put") == run.count("ends of rides, skipped") == 59
    assert run.count("outstanding") == 0
    rows = {
        table: ds.dataset(tmp_path / "archive" / table, format="parquet").count_rows()
        for table in ("predictions", "ride_started", "ride_ended", "others")
    }
    assert rows == {
        "predictions": run.count("predicted"),
        "ride_started": run.count("predicted"),
        "ride_ended": 59,
        "others": run.count("dead-lettered"),
    }


@pytest.mark.rides
def test_a_ride_put_by_hand_is_predicted_and_ctrl_c_leaves_nothing_running(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    run = start("--rate", "20")
    run.wait_for(r"make put PU=130")
    endpoint_url = run.wait_for(r"Kinesis is at (http\S+)")[1]
    client = kinesis_client(endpoint_url, retries={"total_max_attempts": 1})
    client.put_record(
        StreamName="ride_events", PartitionKey="256", Data=json.dumps(SMALLEST_EVENT).encode()
    )
    run.wait_for(r"ride 256 .* min +\$\d")
    (commands,) = tmp_path.rglob("commands.txt")
    assert f"put-record --endpoint-url {endpoint_url} " in commands.read_text()
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert run.count("outstanding") == 0
    assert run.count("put by others, predicted") == 1
    with pytest.raises(EndpointConnectionError):
        client.list_streams()
    client.close()


@pytest.mark.rides
def test_a_run_at_rate_0_predicts_the_rides_of_others(
    start: Callable[..., Run],
) -> None:
    run = start("--rate", "0")
    run.wait_for(r"Any event: make put JSON='\{\.\.\.\}'")
    run.wait_for(r"make put PU=130")
    endpoint_url = run.wait_for(r"Kinesis is at (http\S+)")[1]
    client = kinesis_client(endpoint_url, isolated=True)
    for ride_id, distance in ((256, 3.66), (257, -1)):
        ride = {**SMALLEST_EVENT["ride"], "trip_distance": distance}
        data = json.dumps({"ride_id": ride_id, "ride": ride}).encode()
        client.put_record(StreamName="ride_events", PartitionKey=str(ride_id), Data=data)
    run.wait_for(r"ride 256 .* min +\$\d")
    run.wait_for(r"dead-letter record 257: ride\.trip_distance is -1")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert run.count("rides put") == 0
    assert run.count("put by others, predicted") == 1
    assert run.count("put by others, dead-lettered") == 1
    client.close()


@pytest.mark.rides
def test_the_smoke_test_passes_on_a_running_pipeline(
    start: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    run = start("--rate", "0", "--shards", "2")
    run.wait_for(r"make put PU=130")
    endpoint_url = run.wait_for(r"Kinesis is at (http\S+)")[1]

    assert smoke(["--endpoint-url", endpoint_url]) == 0

    shown = capsys.readouterr().out
    assert "20 of 20 predicted by ride_duration_tip_prediction_model" in shown
    assert ": 20, ids, fields and values compared" in shown
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert run.count("put by others, predicted") == 20


def test_ctrl_c_is_answered_while_the_function_hangs(
    start: Callable[..., Run],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        url = f"http://127.0.0.1:{never_answers.getsockname()[1]}"
        run = start("--rate", "20", "--function-url", url)
        run.wait_for(r"running 1 for")
        run.process.send_signal(signal.SIGINT)
        run.wait_for(r"Stopping: waiting up to 5 s for \d+ outstanding events, invocations")
        assert run.end() == 1
    assert run.count("outstanding") > 0


def test_a_reader_that_ends_stops_an_endless_run_without_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "demo", "--folder", str(tmp_path), "--rate", "20"]
    process = subprocess.Popen(
        command,
        env={**os.environ, **UNUSABLE},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        while b"rides in" not in process.stdout.readline():
            continue
        process.stdout.close()
        assert process.wait(DEADLINE_SECONDS) == 0
        assert process.stderr.read() == b""


def test_ctrl_c_during_the_start_ends_at_once_without_output(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_for("Starting an embedded Kinesis")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert len(run.lines) == 1


def test_a_function_that_does_not_start_is_one_line_with_the_reason(
    start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    monkeypatch.setenv("DEAD_LETTERS", "s3://bucket/dead-letters")
    run = start("--rides", "5")
    assert run.end() == 1
    assert run.lines[-1].startswith("error: LOG_LEVEL is 'LOUD'; allowed: DEBUG, INFO")
    assert "Ignored environment variables, the demo sets its own: DEAD_LETTERS" in run.lines


def test_a_run_that_is_stopped_before_its_last_ride_fails(start: Callable[..., Run]) -> None:
    run = start("--rides", "100000", "--rate", "20")
    run.wait_for(r"rides in \d")
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 1
    assert run.count("rides put") < 100_000
