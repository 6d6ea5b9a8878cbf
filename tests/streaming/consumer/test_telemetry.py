from __future__ import annotations

import io
import json
import runpy
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from streaming.consumer.batch import BatchCounts
from streaming.consumer.records import UserRecord, user_records
from streaming.consumer.telemetry import (
    POISON_LINES,
    TEXT_CHARACTERS,
    TRACEBACK_FRAMES,
    TRACEBACKS,
    Telemetry,
)
from streaming.errors import InvalidEvent, Poison, PredictionFailed
from tests.lambda_events import SHARD, event
from tests.streaming.consumer.harness import Harness

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = BatchCounts(received=6, published=3, skipped=1, dead_lettered=1, failed=1, retried=2)


SERVICE = "ride_prediction_model"


@pytest.fixture
def service() -> str:
    return SERVICE


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


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


def poison(count: int) -> list[tuple[UserRecord, Poison]]:
    error = InvalidEvent("ride_id", "secret", "an integer")
    records = user_records(event(*[b"secret"] * count)["Records"], 0.0)
    return [(user_record, error) for user_record in records]


def test_poison_is_logged_by_event_id_and_reason_without_its_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Telemetry(SERVICE, "Rides").poison(poison(3))

    lines = logged(capsys)
    assert [line["event_id"] for line in lines] == [f"{SHARD}:{n}" for n in (1, 2, 3)]
    assert {line["reason"] for line in lines} == {"ride_id is not an integer"}
    assert "secret" not in json.dumps(lines)


def test_the_lines_for_poison_are_limited_by_batch_and_the_rest_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(SERVICE, "Rides")
    counts = BatchCounts(received=35, dead_lettered=35)
    for number in (8, 15, 12):  # one call for each slice
        telemetry.poison(poison(number), counts.poison)
        counts.poison += number
    telemetry.batch(counts, latency=0.25, arrival_age=None, request_id=None)

    lines = logged(capsys)
    assert [(line["level"], line["message"]) for line in lines[:-3]] == [
        ("WARNING", "poison")
    ] * POISON_LINES
    assert [line["event_id"] for line in lines[:8]] == [f"{SHARD}:{n + 1}" for n in range(8)]
    assert {line["reason"] for line in lines[:-3]} == {"ride_id is not an integer"}
    assert {line["error_type"] for line in lines[:-3]} == {"InvalidEvent"}
    assert "secret" not in json.dumps(lines)
    assert (lines[-3]["message"], lines[-3]["records"]) == ("more poison", 25)


def test_a_long_line_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = Telemetry(SERVICE, "Rides")

    telemetry.failure("x" * 200_000)
    telemetry.poison([(poison(1)[0][0], InvalidEvent("field", 1, "y" * 200_000))])

    assert all(len(json.dumps(line)) < 2 * TEXT_CHARACTERS for line in logged(capsys))


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


def fail(name: str = "Broken", error: Exception | None = None) -> Exception:
    try:
        raise error or type(name, (Exception,), {})("secret")  # noqa: TRY301
    except Exception as raised:  # noqa: BLE001  whatever it was given
        return raised


def test_an_exception_of_the_model_is_logged_once_with_its_traceback_and_without_its_message(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = Telemetry(service, "Rides")

    for _ in range(3):
        telemetry.model_error("predict", fail())
    telemetry.model_error("decode", fail())

    predict, decode = logged(capsys)
    assert (predict["level"], predict["message"]) == ("ERROR", "the model raised an exception")
    assert (predict["method"], predict["error_type"]) == ("predict", "Broken")
    (frame,) = predict["traceback"]
    assert frame.startswith(f"{__file__}:")
    assert " fail: raise error or type(name" in frame
    assert decode["method"] == "decode"
    assert '"secret"' not in json.dumps({**predict, "traceback": []})


def test_a_long_line_of_source_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = tmp_path / "one_line.py"
    module.write_text("def predict(): return 1 / 0  # " + "x" * 300_000)
    with pytest.raises(ZeroDivisionError) as raised:
        runpy.run_path(str(module))["predict"]()

    Telemetry(SERVICE, "Rides").model_error("predict", raised.value)

    (line,) = logged(capsys)
    assert " predict: def predict(): return 1 / 0  # xxx" in line["traceback"][-1]
    assert max(map(len, line["traceback"])) == TEXT_CHARACTERS


def test_the_tracebacks_of_different_exceptions_are_bounded(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = Telemetry(service, "Rides")

    for number in range(TRACEBACKS + 5):
        telemetry.model_error("predict", fail(f"Broken{number}"))

    names = [line["error_type"] for line in logged(capsys)]
    assert names == [f"Broken{number}" for number in range(TRACEBACKS)]


def test_poison_needs_no_traceback(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    Telemetry(service, "Rides").model_error("predict", fail(error=PredictionFailed("no key")))

    assert logged(capsys) == []


def test_a_warning_is_logged_as_it_is(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    Telemetry(service, "Rides").warning("little time is left")

    (line,) = logged(capsys)
    assert (line["level"], line["message"]) == ("WARNING", "little time is left")


def test_times_are_measured_in_microseconds(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    times = {"latency": 0.12345678, "arrival_age": 1.23456789}
    Telemetry(service, "Rides").batch(COUNTS, **times, request_id=None)

    metrics, _ = logged(capsys)
    assert (metrics["BatchLatency"], metrics["ArrivalAge"]) == ([123.457], [1234.568])


def test_a_line_has_its_time_to_the_millisecond(
    service: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopped:
        stopped.setattr(time, "time", lambda: 1740834901.9996)
        Telemetry(service, "Rides").warning("little time is left")

    (line,) = logged(capsys)
    at = datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z")
    assert at.timestamp() == 1740834901.999


def test_poison_within_the_limit_is_logged_and_nothing_more(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(user_records(event(*[b"x"] * POISON_LINES)["Records"], 0.0))

    telemetry = Telemetry(service, "Rides")
    telemetry.poison([(each, PredictionFailed("no key")) for each in found])
    counts = BatchCounts(received=POISON_LINES, dead_lettered=POISON_LINES, poison=POISON_LINES)
    telemetry.batch(counts, latency=0.25, arrival_age=None, request_id=None)

    messages = [line["message"] for line in logged(capsys) if "message" in line]
    assert messages == [*["poison"] * POISON_LINES, "batch"]


def test_each_place_that_raises_is_logged_once_whoever_calls_it(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(levels: int) -> None:
        if levels:
            broken(levels - 1)
        raise ValueError

    def raised(levels: int) -> Exception:
        with pytest.raises(ValueError) as info:  # noqa: PT011  the test's own
            broken(levels)
        return info.value

    telemetry = Telemetry(service, "Rides")
    for error in (raised(50), raised(0), fail(error=ValueError()), fail(error=ValueError())):
        telemetry.model_error("decode", error)

    deep, other = logged(capsys)
    assert len(deep["traceback"]) == TRACEBACK_FRAMES
    assert deep["traceback"][-1].endswith(" broken: raise ValueError")
    assert all(" broken: " in line for line in deep["traceback"])
    assert len(other["traceback"]) == 1


def test_the_lines_are_those_of_powertools(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5e1b4151;Parent=53995c3f42cd8ad8;Sampled=1")
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
    assert 0 <= (expected - written).total_seconds() < 60


def test_the_metrics_are_those_of_powertools(capsys: pytest.CaptureFixture[str]) -> None:
    log_batch(Telemetry(SERVICE, "Rides"))
    ours, _ = logged(capsys)
    powertools = EphemeralMetrics(namespace="Rides", service=SERVICE)
    for metric in ours["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
        powertools.add_metric(metric["Name"], metric["Unit"], ours[metric["Name"]][0])
    powertools.flush_metrics()

    (theirs,) = logged(capsys)
    assert 0 <= theirs["_aws"].pop("Timestamp") - ours["_aws"].pop("Timestamp") < 60_000
    assert ours == theirs
