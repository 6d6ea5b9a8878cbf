"""What is logged of poison, and how much of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streaming.consumer.batch import BatchCounts
from streaming.consumer.records import user_records
from streaming.consumer.telemetry import POISON_LINES, TEXT_CHARACTERS, Telemetry
from streaming.errors import InvalidEvent, PredictionFailed
from tests.lambda_events import SHARD, event
from tests.streaming.consumer.log_lines import SERVICE, logged, poison

if TYPE_CHECKING:
    import pytest


def test_poison_is_logged_by_event_id_and_reason_without_its_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Telemetry(SERVICE, "Rides").poison(poison(3))

    lines = logged(capsys)
    assert [line["event_id"] for line in lines] == [f"{SHARD}:{n}" for n in (1, 2, 3)]
    assert {(line["level"], line["message"]) for line in lines} == {("WARNING", "poison")}
    assert {line["error_type"] for line in lines} == {"InvalidEvent"}
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
    assert [line["message"] for line in lines[:-3]] == ["poison"] * POISON_LINES
    assert [line["event_id"] for line in lines[:8]] == [f"{SHARD}:{n + 1}" for n in range(8)]
    assert (lines[-3]["message"], lines[-3]["records"]) == ("more poison", 25)


def test_poison_within_the_limit_is_logged_and_nothing_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = list(user_records(event(*[b"x"] * POISON_LINES)["Records"], 0.0))

    telemetry = Telemetry(SERVICE, "Rides")
    telemetry.poison([(each, PredictionFailed("no key")) for each in found])
    counts = BatchCounts(received=POISON_LINES, dead_lettered=POISON_LINES, poison=POISON_LINES)
    telemetry.batch(counts, latency=0.25, arrival_age=None, request_id=None)

    messages = [line["message"] for line in logged(capsys) if "message" in line]
    assert messages == [*["poison"] * POISON_LINES, "batch"]


def test_a_long_reason_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    ((user_record, _),) = poison(1)
    Telemetry(SERVICE, "Rides").poison([(user_record, InvalidEvent("field", 1, "y" * 200_000))])

    (line,) = logged(capsys)
    assert line["reason"].startswith("field is not yyy")
    assert len(json.dumps(line)) < 2 * TEXT_CHARACTERS
