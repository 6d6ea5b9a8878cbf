"""The lines and metrics of a batch, and what is written if standard output fails."""

from __future__ import annotations

import io
import json
import time
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from streaming.consumer.batch import BatchCounts
from streaming.consumer.telemetry import TEXT_CHARACTERS, Telemetry
from tests.lambda_events import event
from tests.streaming.consumer.harness import Harness
from tests.streaming.consumer.log_lines import SERVICE, logged, poison

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = BatchCounts(received=6, published=3, skipped=1, dead_lettered=1, failed=1, retried=2)


def log_batch(telemetry: Telemetry, arrival_age: float | None = 1.5) -> None:
    telemetry.batch(COUNTS, latency=0.25, arrival_age=arrival_age, request_id="r-1")


def test_a_batch_is_logged_in_one_structured_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_batch(Telemetry(SERVICE, "Rides"))

    _, line = logged(capsys)
    assert line["message"] == "batch"
    assert line["level"] == "INFO"
    assert line["service"] == SERVICE
    assert {name: line[name] for name in ("received", "published", "skipped")} == {
        "received": 6,
        "published": 3,
        "skipped": 1,
    }
    assert (line["dead_lettered"], line["failed"], line["retried"]) == (1, 1, 2)
    assert (line["latency_seconds"], line["arrival_age_seconds"]) == (0.25, 1.5)
    assert (line["request_id"], line["cold_start"]) == ("r-1", True)


def test_a_batch_writes_cloudwatch_metrics(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_batch(Telemetry(SERVICE, "Rides"))

    metrics, _ = logged(capsys)
    assert metrics["service"] == SERVICE
    (definition,) = metrics["_aws"]["CloudWatchMetrics"]
    values = {m["Name"]: (metrics[m["Name"]], m["Unit"]) for m in definition["Metrics"]}
    assert definition["Namespace"] == "Rides"
    assert values == {
        "Received": ([6.0], "Count"),
        "Published": ([3.0], "Count"),
        "Skipped": ([1.0], "Count"),
        "DeadLettered": ([1.0], "Count"),
        "Failed": ([1.0], "Count"),
        "Retried": ([2.0], "Count"),
        "ColdStart": ([1.0], "Count"),
        "BatchLatency": ([250.0], "Milliseconds"),
        "ArrivalAge": ([1500.0], "Milliseconds"),
    }


def test_only_the_first_batch_is_a_cold_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(SERVICE, "Rides")

    log_batch(telemetry)
    log_batch(telemetry)

    first, _, second, line = logged(capsys)
    assert (first["ColdStart"], second["ColdStart"], line["cold_start"]) == ([1.0], [0.0], False)


def test_an_empty_batch_has_no_arrival_age(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_batch(Telemetry(SERVICE, "Rides"), arrival_age=None)

    metrics, _ = logged(capsys)
    assert "ArrivalAge" not in metrics


def test_times_are_measured_in_microseconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = {"latency": 0.12345678, "arrival_age": 1.23456789}
    Telemetry(SERVICE, "Rides").batch(COUNTS, **times, request_id=None)

    metrics, _ = logged(capsys)
    assert (metrics["BatchLatency"], metrics["ArrivalAge"]) == ([123.457], [1234.568])


def test_an_unavailable_model_is_logged_and_counted_without_the_exceptions_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(SERVICE, "Rides")

    telemetry.model_unavailable("predict", ConnectionError("secret"))
    log_batch(telemetry)

    line, metrics, _ = logged(capsys)
    assert line["message"] == "the model is unavailable: predict raised ConnectionError"
    assert metrics["ModelUnavailable"] == [1.0]


def test_failures_are_counted_until_the_next_batch_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(SERVICE, "Rides", "CRITICAL")

    for _ in range(3):
        telemetry.model_unavailable("decode", ConnectionError())
        telemetry.model_refresh_failed("no such bundle", log=True)
    log_batch(telemetry)
    log_batch(telemetry)

    failing, well = logged(capsys)
    assert (failing["ModelUnavailable"], failing["ModelRefreshFailed"]) == ([3.0], [3.0])
    assert not {"ModelUnavailable", "ModelRefreshFailed"} & well.keys()


def test_nothing_below_the_log_level_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(SERVICE, "Rides", "ERROR")

    log_batch(telemetry)
    telemetry.failure("not published: out of time")

    metrics, line = logged(capsys)
    assert "_aws" in metrics
    assert (line["level"], line["message"]) == ("ERROR", "not published: out of time")


def test_only_the_first_line_of_a_failure_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Telemetry(SERVICE, "Rides").failure("The signature is wrong.\nx-amz-security-token:secret")

    (line,) = logged(capsys)
    assert line["message"] == "The signature is wrong."


def test_a_long_line_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    Telemetry(SERVICE, "Rides").failure("x" * 200_000)

    (line,) = logged(capsys)
    assert len(json.dumps(line)) < 2 * TEXT_CHARACTERS


def test_a_warning_is_logged_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Telemetry(SERVICE, "Rides").warning("little time is left")

    (line,) = logged(capsys)
    assert (line["level"], line["message"]) == ("WARNING", "little time is left")


def test_a_line_has_its_time_to_the_millisecond(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopped:
        stopped.setattr(time, "time", lambda: 1740834901.9996)
        Telemetry(SERVICE, "Rides").warning("little time is left")

    (line,) = logged(capsys)
    at = datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z")
    assert at.timestamp() == 1740834901.999


@pytest.mark.parametrize(
    "failure",
    [BrokenPipeError(), OSError(28, "full"), ValueError("closed"), RuntimeError(), MemoryError()],
    ids=lambda failure: type(failure).__name__,
)
def test_a_standard_output_that_fails_does_not_fail_the_batch(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    class Failing(io.StringIO):
        def write(self, _text: str) -> int:
            raise failure

    with monkeypatch.context() as broken:
        broken.setattr("sys.stdout", Failing())
        broken.setattr("sys.stderr", Failing())
        telemetry = Telemetry(SERVICE, "Rides")
        telemetry.failure("not published")
        telemetry.poison(poison(1))
        log_batch(telemetry)
    log_batch(telemetry)

    metrics, _ = logged(capsys)
    assert metrics["Received"] == [6.0]  # nothing of the batch before


def test_without_a_standard_output_a_batch_is_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    harness = Harness(tmp_path)
    telemetry = Telemetry(SERVICE, "Rides", "DEBUG")

    with monkeypatch.context() as closed:  # as Python starts with `>&-`
        closed.setattr("sys.stdout", None)
        response = harness.handle(event(b"hello", b"w0rd", b"curse"), telemetry=telemetry)

    assert response == {"batchItemFailures": []}
    assert harness.words() == ["HELLO"]
    assert len(harness.dead_letters_written()) == 2


def test_the_lines_are_those_of_powertools(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5e1b4151;Parent=53995c3f42cd8ad8;Sampled=1")
    began = time.time()
    service = uuid4().hex  # Powertools keeps a service's logger, and the output that it began with
    Telemetry(service, "Rides").failure("Zürich")
    powertools = Logger(service=service, location=None)  # the caller's function and line
    powertools.error("Zürich")

    ours, theirs = logged(capsys)
    written, expected = (
        datetime.strptime(line.pop("timestamp"), "%Y-%m-%d %H:%M:%S,%f%z")
        for line in (ours, theirs)
    )
    assert list(ours.items()) == list(theirs.items())
    assert written.utcoffset() == expected.utcoffset()
    assert began - 0.001 < written.timestamp() <= expected.timestamp()


def test_the_metrics_are_those_of_powertools(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.time()
    log_batch(Telemetry(SERVICE, "Rides"))
    ours, _ = logged(capsys)
    powertools = EphemeralMetrics(namespace="Rides", service=SERVICE)
    for metric in ours["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
        powertools.add_metric(metric["Name"], metric["Unit"], ours[metric["Name"]][0])
    powertools.flush_metrics()

    (theirs,) = logged(capsys)
    written, expected = (each["_aws"].pop("Timestamp") for each in (ours, theirs))
    assert 1000 * began - 1 < written <= expected
    assert ours == theirs
