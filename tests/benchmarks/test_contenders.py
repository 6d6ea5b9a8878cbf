from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contenders import HANDLERS, call, open_process, run
from benchmarks.null_kinesis import null_kinesis
from benchmarks.ride_batches import aggregated_batch, batch
from streaming.clients import kinesis_client
from streaming.consumer.records import user_records

ROOT = Path(__file__).parent.parent.parent


def test_the_null_kinesis_accepts_every_record(tmp_path: Path) -> None:
    with null_kinesis(tmp_path / "log") as url:
        client = kinesis_client(url)
        entries = [{"Data": b"x" * 1_000, "PartitionKey": str(n)} for n in range(500)]

        for count in (1, 500, 500):
            response = client.put_records(StreamName="s", Records=entries[:count])  # type: ignore[arg-type]  # a TypedDict's dict
            assert response["FailedRecordCount"] == 0
            assert len(response["Records"]) == count
        assert "SequenceNumber" in client.put_record(StreamName="s", Data=b"x", PartitionKey="k")


def test_a_batch_and_an_aggregate_hold_the_same_rides() -> None:
    plain = [record.data for record in user_records(batch(20)["Records"], 0)]
    packed = [record.data for record in user_records(aggregated_batch(20)["Records"], 0)]

    assert plain == packed
    assert len(plain) == 20
    assert len(aggregated_batch(20)["Records"]) == 1


def test_a_process_starts_with_nothing_imported_and_its_output_goes_to_the_log(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"

    with open_process(log, {"COLOUR": "blue"}) as process:
        imported = process.submit(call, "builtins.eval", "{*__import__('sys').modules}").result()
        assert process.submit(call, "os.getenv", "COLOUR").result() == "blue"
        process.submit(call, "builtins.print", "a line").result()

    assert imported.isdisjoint({"lambda_function", "mlflow", "numpy", "onnxruntime"})
    assert log.read_text() == "a line\n"


@pytest.mark.rides
def test_every_contender_predicts_and_publishes(tmp_path: Path) -> None:
    log, model = tmp_path / "log", tmp_path / "model"
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "COURSE_MODEL": str(model),
        "LAMBDA_TASK_ROOT": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREDICTIONS_STREAM_NAME": "ride_predictions",
    }
    with null_kinesis(log) as url:
        environment["KINESIS_ENDPOINT_URL"] = url
        with open_process(log, environment) as process:
            process.submit(call, "benchmarks.mlflow_handler_model.save", model, 200).result()
            for contender in HANDLERS:
                walls, cpus = process.submit(run, contender, 3, 2).result()
                assert len(walls) == len(cpus) == 2
