"""Which records become which rows, and that the documentation says so."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lifecycle.ride_tables import EVENTS, PREDICTIONS, RIDE_PREDICTIONS, RIDE_STARTED
from streaming.archive.table import NO_TABLE, OTHERS, row_of
from streaming.reader.shard_reader import StreamRecord
from tests.lambda_events import SMALLEST_RIDE

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "archive.md"
ARRIVED = datetime.fromisoformat("2025-03-01T13:15:00.123Z")
EVENT_ID = "shardId-000000000000:42"
FULL_RIDE = {
    "event_type": "ride_started",
    "ride_id": 256,
    "ride": {
        "PULocationID": 130,
        "DOLocationID": 205,
        "trip_distance": 3.66,
        "pickup_datetime": "2025-03-01T08:15:00",
        "passenger_count": 1,
        "payment_type": 2,
    },
}
ENDED = {"event_type": "ride_ended", "ride_id": "r-1", "tip_amount": 2.5}
PREDICTED = {
    "event_type": "ride_predicted",
    "event_id": "shardId-000000000001:7:3",
    "model": "ride_duration_tip_prediction_model",
    "version": "7",
    "prediction": {"ride_id": 256, "ride_duration": 14.65, "ride_tip": 2.39},
    "arrived_at": "2025-03-01T13:15:00.123Z",
    "stream": "ride_events",
}


def row(event: Any, tables: Any = EVENTS) -> tuple[str, dict[str, Any]]:
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    record = StreamRecord("shardId-000000000000", "42", "256", data, ARRIVED)
    table, values = row_of(record, "ride_events", tables)
    names = [column.name for column in table.columns]
    return table.name, dict(zip(names, values, strict=True))


def test_a_start_is_a_row_with_its_pickup_in_utc() -> None:
    assert row(FULL_RIDE) == (
        "ride_started",
        {
            "event_id": EVENT_ID,
            "ride_id": "256",
            "arrived_at": ARRIVED,
            "pickup_datetime": datetime.fromisoformat("2025-03-01T13:15:00Z"),
            "PULocationID": 130,
            "DOLocationID": 205,
            "trip_distance": 3.66,
            "passenger_count": 1,
            "payment_type": 2,
        },
    )


def test_a_start_without_a_type_or_a_pickup_is_one_too() -> None:
    table, values = row(SMALLEST_RIDE)

    assert table == "ride_started"
    assert values["pickup_datetime"] == ARRIVED
    assert values["passenger_count"] is values["payment_type"] is None


def test_an_end_is_a_row() -> None:
    assert row({**ENDED, "dropoff_datetime": "2025-07-01T08:36:00"}) == (
        "ride_ended",
        {
            "event_id": EVENT_ID,
            "ride_id": "r-1",
            "arrived_at": ARRIVED,
            "dropoff_datetime": datetime.fromisoformat("2025-07-01T12:36:00Z"),
            "tip_amount": 2.5,
            "payment_type": None,
        },
    )
    assert row(ENDED)[1]["dropoff_datetime"] == ARRIVED


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"event_type": "ride_paused", "ride_id": 1}, NO_TABLE),
        (b"\xff", "event is b'\\xff'; allowed: a JSON object in UTF-8"),
        ({**FULL_RIDE, "ride_id": None}, "ride_id is null; allowed: a 64-bit integer or"),
        ({**SMALLEST_RIDE, "ride": {}}, "ride.PULocationID is missing"),
        ({**ENDED, "tip_amount": -1}, "tip_amount is -1; allowed: a number from 0 to 1000"),
        (
            {**FULL_RIDE, "ride": {**FULL_RIDE["ride"], "pickup_datetime": "today"}},  # type: ignore[dict-item]
            "ride.pickup_datetime is 'today'; allowed: an ISO 8601 date and time",
        ),
    ],
)
def test_what_breaks_a_contract_is_kept_with_the_reason(event: Any, reason: str) -> None:
    table, values = row(event)

    assert table == "others"
    assert values["reason"].startswith(reason)
    assert values["data"] == (event if isinstance(event, bytes) else json.dumps(event).encode())


def test_a_prediction_is_a_row_with_null_for_what_is_not_predicted() -> None:
    assert row(PREDICTED, PREDICTIONS) == (
        "predictions",
        {
            "event_id": "shardId-000000000001:7:3",
            "model": "ride_duration_tip_prediction_model",
            "version": "7",
            "stream": "ride_events",
            "ride_id": "256",
            "arrived_at": ARRIVED,
            "published_at": ARRIVED,
            "ride_duration": 14.65,
            "ride_duration_low": None,
            "ride_duration_high": None,
            "ride_tip": 2.39,
        },
    )


def test_a_predicted_range_is_archived() -> None:
    values = {"ride_id": 1, "ride_duration_low": 9.5, "ride_duration_high": 21.0}

    _, found = row({**PREDICTED, "prediction": values}, PREDICTIONS)

    assert (found["ride_duration_low"], found["ride_duration_high"]) == (9.5, 21.0)
    assert found["ride_duration"] is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_type": "alarm_predicted"}, NO_TABLE),
        ({"prediction": {"alarm": True}}, "prediction.ride_id is missing"),
        ({"model": None}, "model is null"),
        ({"arrived_at": "2025-03-01T13:15:00"}, "arrived_at is "),
    ],
)
def test_another_models_prediction_is_kept_as_it_is(change: dict[str, Any], reason: str) -> None:
    table, values = row({**PREDICTED, **change}, PREDICTIONS)

    assert table == "others"
    assert values["reason"].startswith(reason)


@pytest.mark.parametrize("data", [b"\xff", b"[1]", b"", b'{"a": "\xff"}', b"[" * 10_000])
def test_what_is_not_a_json_object_is_no_rides(data: bytes) -> None:
    for tables in (EVENTS, PREDICTIONS):
        table, values = row(data, tables)
        assert (table, values["data"]) == ("others", data)


@pytest.mark.parametrize("table", [*EVENTS, *PREDICTIONS, OTHERS], ids=lambda table: table.name)
def test_the_documentation_has_every_column(table: Any) -> None:
    section = re.search(
        rf"^### `{table.name}`, version {table.version}\n(.*?)(?=^##|\Z)",
        DOCUMENT.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert section is not None

    lines = [line for line in section[1].splitlines() if line.startswith("| `")]
    named = [name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])]

    assert sorted(named) == sorted(column.name for column in table.columns)


def test_the_columns_of_version_1_stay() -> None:
    """A change of these is a new version; a column more is not."""
    assert [column[:2] for column in RIDE_PREDICTIONS.columns][:11] == [
        ("event_id", "text"),
        ("model", "text"),
        ("version", "text"),
        ("stream", "text"),
        ("ride_id", "text"),
        ("arrived_at", "timestamp"),
        ("published_at", "timestamp"),
        ("ride_duration", "number"),
        ("ride_duration_low", "number"),
        ("ride_duration_high", "number"),
        ("ride_tip", "number"),
    ]
    assert [column[:2] for column in RIDE_STARTED.columns][:9] == [
        ("event_id", "text"),
        ("ride_id", "text"),
        ("arrived_at", "timestamp"),
        ("pickup_datetime", "timestamp"),
        ("PULocationID", "integer"),
        ("DOLocationID", "integer"),
        ("trip_distance", "number"),
        ("passenger_count", "integer"),
        ("payment_type", "integer"),
    ]
