"""What is logged of a batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from streaming.consumer.consumer import SLICE_RECORDS
from streaming.consumer.telemetry import POISON_LINES, Telemetry
from tests.lambda_events import ARRIVED, SHARD, event, record
from tests.streaming.consumer.harness import (
    THROTTLED,
    BrokenStorage,
    Fragile,
    Harness,
    KeepsLines,
    Shout,
)
from tests.streaming.consumer.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from streaming.consumer.interface import Prediction


def test_the_time_of_a_batch_and_the_age_of_its_oldest_record_are_logged(harness: Harness) -> None:
    class Slow(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            harness.clock.advance(0.25)
            return super().predict(events)

    harness.clock.advance(100)
    harness.model, telemetry = Slow(), KeepsLines()
    records = [record(b"hello", n, arrived=ARRIVED - age) for n, age in enumerate([1, 5, 3])]
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="r")

    harness.handle({"Records": records}, context, telemetry=telemetry)
    assert telemetry.times == {"latency": 0.25, "arrival_age": 7.0, "request_id": "r"}

    harness.handle(event(), telemetry=telemetry)
    assert telemetry.times == {"latency": 0.0, "arrival_age": None, "request_id": None}


def test_why_records_failed_or_are_poison_is_logged(harness: Harness) -> None:
    telemetry = KeepsLines()

    harness.handle(event(b"hello", b"curse"), telemetry=telemetry, dead_letters=BrokenStorage())
    assert telemetry.reasons == ["predict raised ValueError"]
    assert telemetry.failures == ["no room for 1"]

    harness.kinesis.refuse = lambda _entry: THROTTLED
    harness.handle(event(b"hello"), telemetry=telemetry)
    assert telemetry.failures[1:] == [f"not published: {THROTTLED}"]


def test_the_step_of_the_model_that_raised_is_logged(harness: Harness) -> None:
    harness.model, telemetry = Fragile(), KeepsLines()

    harness.handle(event(b"hello", b"{}", b"curse"), telemetry=telemetry)

    assert sorted(telemetry.reasons) == ["decode raised KeyError", "predict raised ValueError"]
    assert list(dict.fromkeys(telemetry.steps)) == ["decode", "predict"]


def test_records_without_an_arrival_are_mentioned_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = event(*[b"hello"] * 3000)
    for each in batch["Records"][:1500]:
        each["kinesis"]["approximateArrivalTimestamp"] *= 1000
    warnings: list[str] = []
    monkeypatch.setattr(harness.telemetry, "warning", warnings.append)

    harness.handle(batch)

    assert "1500 user records without a valid arrival: the current time was taken" in warnings
    assert sum("arrival" in warning for warning in warnings) == 1


def test_a_hot_partition_key_is_logged_once_a_batch_without_its_value(
    harness: Harness, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    telemetry = Telemetry(str(tmp_path), "Shout", "WARNING")

    harness.handle(event(*[b"hello"] * 1_010, b"other"), telemetry=telemetry)

    (message,) = [line["message"] for line in logged(capsys) if "message" in line]
    assert message == (
        "hot partition key: 1010 calls of PutRecords one after another, "
        "for the predictions of one key; with AGGREGATE_OUTPUT=hot they share records"
    )


def test_a_few_predictions_under_one_partition_key_are_not_logged(
    harness: Harness, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    telemetry = Telemetry(str(tmp_path), "Shout", "WARNING")

    harness.handle(event(*[b"hello"] * 9), telemetry=telemetry)

    assert "hot" not in capsys.readouterr().out


def test_the_poison_of_a_batch_is_logged_up_to_a_limit_and_then_counted_over_all_slices(
    harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [b"w0rd", *[b"hello"] * (SLICE_RECORDS - 1)] + [b"w0rd"] * (2 * SLICE_RECORDS)

    harness.handle(event(*words), telemetry=Telemetry("shout", "Shout"))

    lines = logged(capsys)
    poison = [line["event_id"] for line in lines if line.get("message") == "poison"]
    assert len(poison) == POISON_LINES
    assert poison[:2] == [f"{SHARD}:1", f"{SHARD}:{SLICE_RECORDS + 1}"]
    (more,) = (line for line in lines if line.get("message") == "more poison")
    assert more["records"] == 2 * SLICE_RECORDS + 1 - POISON_LINES
