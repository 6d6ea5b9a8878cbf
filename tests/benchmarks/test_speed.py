"""The benchmark's own parts: that what it measures is what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.null_kinesis import null_kinesis
from benchmarks.plots.__main__ import start_bars
from benchmarks.ride_batches import aggregated, batch
from benchmarks.startup import STANDARD_LIBRARY, by_package
from benchmarks.throughput import HANDLERS, Cell, _in_rounds, cells
from benchmarks.workers import open_worker
from streaming.clients import kinesis_client
from streaming.consumer.records import user_records

ROOT = Path(__file__).parent.parent.parent


def test_the_null_kinesis_takes_everything(tmp_path: Path) -> None:
    with null_kinesis(tmp_path / "log") as url:
        client = kinesis_client(url)
        entries = [{"Data": b"x" * 1_000, "PartitionKey": str(n)} for n in range(500)]

        for count in (1, 500, 500):
            answer = client.put_records(StreamName="s", Records=entries[:count])  # type: ignore[arg-type]  # a TypedDict's dict
            assert answer["FailedRecordCount"] == 0
            assert len(answer["Records"]) == count
        assert "SequenceNumber" in client.put_record(StreamName="s", Data=b"x", PartitionKey="k")


def test_a_batch_and_an_aggregate_hold_the_same_rides() -> None:
    plain = [payload.data for payload in user_records(batch(20)["Records"], 0)]
    packed = [payload.data for payload in user_records(aggregated(20)["Records"], 0)]

    assert plain == packed
    assert len(plain) == 20
    assert len(aggregated(20)["Records"]) == 1


def test_contenders_take_turns_and_the_slow_ones_run_as_often_as_planned() -> None:
    plan = [Cell("ours", 1, 1, rounds=6), Cell("reference", 1, 1, rounds=2)]

    order = [cell.contender for cell in _in_rounds(plan)]

    assert order == ["ours", "ours", "ours", "reference"] * 2


@pytest.mark.parametrize("quick", [True, False])
def test_every_contender_is_measured_at_a_thousand_records(*, quick: bool) -> None:
    assert {cell.contender for cell in cells(quick=quick) if cell.batch == 1_000} == set(HANDLERS)


def test_import_times_are_summed_by_package() -> None:
    told = """
import time: self [us] | cumulative | imported package
import time:      1000 |       1000 |   _json
import time:      2000 |       2000 |     numpy.linalg
import time:       500 |       2500 |   numpy
import time:       100 |       3600 | model
"""
    assert by_package(told) == {STANDARD_LIBRARY: 1.0, "numpy": 2.5, "model": 0.1}


def test_the_bars_of_a_start_add_up_to_it() -> None:
    packages = {"Python's own": 60.0, "numpy": 90.0, "six": 1.0, "model": 2.0, "streaming": 47.0}

    bars = start_bars(packages, imported=0.400, predicted=0.420)

    assert dict(bars) == pytest.approx(
        {
            "Python's own": 120,
            "numpy": 180,
            "other packages": 2,
            "models and client": 98,
            "first prediction": 20,
        }
    )


def test_every_contender_predicts_and_publishes(tmp_path: Path) -> None:
    log, model = tmp_path / "log", tmp_path / "model"
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREDICTIONS_STREAM_NAME": "ride_predictions",
        "REFERENCE_MODEL": str(model),
    }
    with null_kinesis(log) as url:
        environment["KINESIS_ENDPOINT_URL"] = url
        with open_worker(log, environment) as worker:
            worker.call("benchmarks.reference_model.save", model, 200)
            for handler in HANDLERS.values():
                walls, cpus = worker.call("benchmarks.handling.run", handler, 3, 2)
                assert len(walls) == len(cpus) == 2
