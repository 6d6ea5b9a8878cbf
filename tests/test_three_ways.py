"""The same events over the stream, over HTTP and from a table have the same answers, bit by bit."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import random
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.duckdb_database import DuckDBDatabase
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.scoring import Request, score
from demo.ride_generator import generate_rides, read_statistics
from model import load_model
from streaming import Consumer, Telemetry
from streaming.storage import FolderStorage
from tests.bad_json import not_an_event
from tests.lambda_events import ARRIVED, event
from tests.web.thermometers import NOW, Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from model import RideModel

pytestmark = pytest.mark.rides

EVENTS = 10_000
AT_ONCE = 500
COLUMNS = ("ride_duration", "ride_duration_low", "ride_duration_high", "ride_tip")
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 9, 10, 264, 265, 266, 1000, 1000.0000001, -1, -0.0, 5e-324, 1e308),
    *(2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**4000, 3.999999999999999999, 74.0, 0.1 + 0.2),
    *(
        "",
        "a" * 128,
        "a" * 129,
        "74",
        "🚕",
        "\ud800",
        "\x00",
        "<b>",
        [],
        [74],
        {},
        {"a": {"b": []}},
    ),
    *("2025-03-01T23:59:59.999999", "2025-03-09T02:30:00", "2025-11-02T01:30:00", "2025-03-01"),
    *("2025-03-01T08:15:00+05:30", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999", "now"),
    *("ride_started", "ride_ended", "ride\u005fstarted"),
)
FIELDS = ("PULocationID", "DOLocationID", "trip_distance", "pickup_datetime", "passenger_count")
Answers = dict[int, Any]
"""By the event's number: the predicted values, or the type and message of the error."""


def hostile(ride: dict[str, Any], draw: random.Random) -> Any:
    """Return a ride with one to three values that are wrong, rare, or missing."""
    changed = json.loads(json.dumps(ride))
    for _ in range(draw.randint(1, 3)):
        inside = draw.random() < 0.7
        where = changed["ride"] if inside and isinstance(changed.get("ride"), dict) else changed
        field = draw.choice(
            (*FIELDS, "payment_type") if inside else ("ride_id", "event_type", "ride")
        )
        if draw.random() < 0.15:
            where.pop(field, None)
        else:
            where[field] = draw.choice(HOSTILE)
    return changed


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return bytes of which some are changed, missing, or too many."""
    place = draw.randrange(len(data))
    some = draw.choice(
        (b"", draw.randbytes(1), draw.randbytes(4), b"\xff", b"NaN", b"1e999", b"\\u00")
    )
    return data[:place] + some + data[place + draw.randint(0, 3) :]


def contents() -> list[bytes]:
    """Return good rides, hostile ones, damaged ones, and what is no event at all."""
    draw = random.Random(7)
    rides = generate_rides(
        read_statistics(),
        draw,
        first_ride_id=1,
        week=datetime(2025, 3, 3),  # noqa: DTZ001
    )
    found = not_an_event(json.dumps(next(rides)).encode())
    for ride in itertools.islice(rides, EVENTS - len(found)):
        if draw.random() < 0.1:
            del ride["ride"]["pickup_datetime"]  # its arrival counts
        data = json.dumps(ride).encode()
        kind = draw.random()
        if kind < 0.35:
            data = json.dumps(hostile(ride, draw), ensure_ascii=kind < 0.3).encode(
                "utf-8", "surrogatepass"
            )
        elif kind < 0.45:
            data = damaged(data, draw)
        found.append(data)
    draw.shuffle(found)
    return found


def chunks(items: Sequence[bytes]) -> Iterator[tuple[int, Sequence[bytes]]]:
    for first in range(0, len(items), AT_ONCE):
        yield first, items[first : first + AT_ONCE]


def numbers(prediction: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(prediction[column] for column in COLUMNS)


def by_stream(model: RideModel, events: Sequence[bytes], folder: Path) -> Answers:
    consumer = Consumer(
        model,
        publisher=None,
        dead_letters=FolderStorage(folder),
        telemetry=Telemetry("test", "Test", "CRITICAL"),
    )
    found: Answers = {}
    for first, some in chunks(events):
        response = consumer.handle(event(*some, first=first))
        assert response["batchItemFailures"] == []
        for record in response["predictions"]:
            found[int(record["event_id"].partition(":")[2])] = numbers(record["prediction"])
    for path in folder.rglob("*.jsonl"):
        for line in path.read_text().splitlines():
            letter = json.loads(line)
            number = int(letter["sequence_number"])
            assert base64.b64decode(letter["data"]) == events[number]
            found[number] = (letter["error_type"], letter["error_message"])
    return found


def is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
        data.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return not data.startswith(b"\xef")


def by_web(model: RideModel, events: Sequence[bytes]) -> Answers:
    asked = Asked(model, examples=(), max_body_bytes=10 * 2**20)
    found: Answers = {}

    def add(number: int, answer: dict[str, Any]) -> None:
        if "prediction" in answer:
            found[number] = numbers(answer["prediction"])
        elif "error" in answer:
            found[number] = (answer["error_type"], answer["error"])
        else:
            assert answer == {"skipped": True}

    async def ask() -> None:
        for first, some in chunks(events):
            listed = [(first + n, data) for n, data in enumerate(some) if is_json(data)]
            body = b"[" + b",".join(data for _, data in listed) + b"]"
            response = await asked.asks("POST", "/predict", body)
            assert response.status == 200
            for (number, _), answer in zip(listed, response.json, strict=True):
                add(number, answer)
        # What is no JSON cannot be in a list.
        for number, data in enumerate(events):
            if not is_json(data):
                response = await asked.asks("POST", "/predict", data)
                assert response.status in {200, 422}
                add(number, response.json)

    asyncio.run(ask())
    return found


def by_batch(events: Sequence[bytes], folder: Path) -> Answers:
    at = datetime.fromtimestamp(ARRIVED, ZoneInfo("America/New_York")).replace(tzinfo=None)
    table = pa.table(
        {
            "number": pa.array(range(len(events)), pa.int64()),
            "at": pa.array([at] * len(events), pa.timestamp("us")),
            "event": pa.array(events, pa.binary()),
        }
    )
    pq.write_table(table, folder / "events.parquet")
    request = Request(
        RidesTable.named([folder / "events.parquet"]),
        Interval.parse("2025-03-01", "2025-03-02"),
        folder / "staging",
        key="number",
        time="at",
    )
    with DuckDBDatabase(folder / "predictions.duckdb") as database:
        counts = score(request, database).counts
    assert counts.read == len(events)
    with duckdb.connect(str(folder / "predictions.duckdb")) as db:
        query = f"SELECT ride, {', '.join(COLUMNS)} FROM predictions"  # noqa: S608  constants
        predictions = db.execute(query).fetchall()
        rejects = db.execute("SELECT ride, error_type, error_message FROM rejects").fetchall()
    return {int(number): tuple(values) for number, *values in predictions + rejects}


def test_stream_web_and_batch_answer_alike(tmp_path: Path) -> None:
    assert NOW == ARRIVED  # both say when an event without a time came
    events = contents()
    model = load_model({**os.environ, "RUN_ID": "v1"}, lambda: None)

    stream = by_stream(model, events, tmp_path / "dead-letters")

    assert by_web(model, events) == stream
    assert by_batch(events, tmp_path) == stream
    kinds = [type(answer[0]) for answer in stream.values()]
    assert kinds.count(float) > EVENTS / 2
    assert kinds.count(str) > EVENTS / 5
    assert len(events) == EVENTS
    assert len({answer[1] for answer in stream.values() if isinstance(answer[0], str)}) > 100
