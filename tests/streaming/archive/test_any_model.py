"""The tables for any model: what a row of them holds, and what is none."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from streaming.archive.any_model import EVENTS, PREDICTIONS
from streaming.archive.table import row_of
from streaming.reader.shard_reader import StreamRecord
from tests.streaming.archive.archive_fixtures import STREAM, alarm

PUBLISHED = datetime.fromisoformat("2025-03-01T13:15:02Z")


def row(data: bytes, tables: Any) -> tuple[str, dict[str, Any]]:
    record = StreamRecord("shardId-000000000000", "42", "m7", data, PUBLISHED)
    table, values = row_of(record, STREAM, tables)
    names = [column.name for column in table.columns]
    return table.name, dict(zip(names, values, strict=True))


def test_an_event_is_kept_as_the_json_that_it_is() -> None:
    event = '{"machine": "Zürich",  "celsius": 1.50, "machine": "again"}'

    assert row(event.encode(), EVENTS) == (
        "events",
        {
            "event_id": "shardId-000000000000:42",
            "partition_key": "m7",
            "arrived_at": PUBLISHED,
            "event": event,
        },
    )


def test_a_prediction_names_its_event_and_its_model_and_is_json_itself() -> None:
    assert row(alarm(3, prediction={"alarm": "é", "celsius": [1.5]}), PREDICTIONS) == (
        "predictions",
        {
            "event_id": "shardId-000000000000:3",
            "model": "alarm_model",
            "version": "1",
            "stream": STREAM,
            "partition_key": "m7",
            "arrived_at": datetime.fromisoformat("2025-03-01T13:15:00.123Z"),
            "published_at": PUBLISHED,
            "prediction": json.dumps({"alarm": "é", "celsius": [1.5]}),
        },
    )


@pytest.mark.parametrize("data", [b"\xff", b"[1]", b"", b'{"a": "\xff"}', b"[" * 10_000])
def test_what_is_not_a_json_object_is_kept_with_the_reason(data: bytes) -> None:
    table, values = row(data, EVENTS)

    assert (table, values["data"]) == ("others", data)
    assert values["reason"].startswith("event is ")
    assert values["reason"].endswith("; allowed: a JSON object in UTF-8")
    assert row(data, PREDICTIONS)[0] == "others"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": None}, "model is null"),
        ({"arrived_at": "2025-03-01T13:15:00"}, 'arrived_at is "2025-03-01T13:15:00"'),
    ],
)
def test_a_record_that_is_no_prediction_is_kept_with_the_field_that_is_wrong(
    change: dict[str, Any], reason: str
) -> None:
    table, values = row(alarm(1, **change), PREDICTIONS)

    assert (table, values["reason"].partition(";")[0]) == ("others", reason)
