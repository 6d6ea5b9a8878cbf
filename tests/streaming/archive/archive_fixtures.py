"""A stream of readings and alarms, its tables, and what an archive of it holds."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow.dataset as ds

from streaming.archive.any_model import PREDICTIONS
from streaming.archive.archive_state import archive_folder
from streaming.archive.stream_archive import Limits, StreamArchive
from streaming.archive.table import Column, Row, Table
from streaming.consumer.validation import WHOLE_EVENT, invalid_event
from streaming.errors import DECODE_ERRORS
from tests.fakes.kinesis import FakeKinesis
from tests.kpl_aggregation import aggregate_of, entry

if TYPE_CHECKING:
    from pathlib import Path

    from streaming.reader.shard_reader import StreamRecord
    from streaming.storage import Storage
    from tests.fakes.clock import Clock

STREAM = "readings"
ALARMS = "alarms"
ALLOWED = {WHOLE_EVENT: "a JSON object", "machine": "a string", "celsius": "a number"}
SHARDS = 3


class Reading(msgspec.Struct):
    machine: str
    celsius: float


def _reading(record: StreamRecord, content: bytes) -> Row | None:
    if content.startswith(b"{}"):
        return None
    try:
        reading = msgspec.json.decode(content, type=Reading)
    except DECODE_ERRORS as error:
        raise invalid_event(content, error, ALLOWED) from error
    return record.event_id, reading.machine, record.arrived_at, reading.celsius


READINGS = Table(
    "readings",
    3,
    (
        Column("event_id", "text", "where it was on the stream"),
        Column("machine", "text", "the machine's name"),
        Column("arrived_at", "timestamp", "when it arrived"),
        Column("celsius", "number", "degrees"),
    ),
    _reading,
)


def reading(number: int) -> bytes:
    return json.dumps({"machine": f"m{number}", "celsius": number / 2}).encode()


def alarm(number: int, **changes: Any) -> bytes:
    return json.dumps(
        {
            "event_id": f"shardId-000000000000:{number}",
            "model": "alarm_model",
            "version": "1",
            "prediction": {"alarm": number % 2 == 0},
            "arrived_at": "2025-03-01T13:15:00.123Z",
            "stream": STREAM,
            **changes,
        }
    ).encode()


def kinesis_of(clock: Clock) -> FakeKinesis:
    kinesis = FakeKinesis(clock)
    for stream in (STREAM, ALARMS):
        kinesis.create_stream(StreamName=stream, ShardCount=SHARDS)
    return kinesis


def put_readings(kinesis: FakeKinesis, numbers: range) -> None:
    """Put readings: every third one alone, others gzipped, and every tenth record aggregated."""
    for number in numbers:
        key, data = str(number), reading(number)
        if number % 10 == 9:
            entries = [entry(reading(1_000 * number + index)) for index in range(5)]
            kinesis.put(STREAM, key, aggregate_of(key, entries))
        else:
            kinesis.put(STREAM, key, gzip.compress(data) if number % 3 else data)


def machines(numbers: range) -> Counter[str]:
    """Return the machines of `put_readings`."""
    found: Counter[str] = Counter()
    for number in numbers:
        if number % 10 == 9:
            found.update(f"m{1_000 * number + index}" for index in range(5))
        else:
            found[f"m{number}"] += 1
    return found


def archive_of(
    kinesis: FakeKinesis,
    clock: Clock,
    storage: Storage,
    *,
    stream: str = STREAM,
    **options: Any,
) -> StreamArchive:
    tables = (READINGS,) if stream == STREAM else PREDICTIONS
    return StreamArchive(
        kinesis,
        stream,
        tables,
        storage,
        clock=clock.now,
        jitter=lambda: 0.5,
        **{"limits": Limits(rows=20, seconds=1e9), "sleep": clock.sleep, **options},
    )


def rows_in(folder: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as a reader of Parquet finds them, with their partitions."""
    if not (folder / table).exists():
        return []
    found = ds.dataset(folder / table, format="parquet", partitioning="hive").to_table()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def values(folder: Path, table: str, column: str) -> Counter[Any]:
    return Counter(row[column] for row in rows_in(folder, table))


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))


def archived(kinesis: FakeKinesis, clock: Clock, folder: Path, **options: Any) -> None:
    stream = options.get("stream", STREAM)
    archive_of(kinesis, clock, archive_folder(folder, stream), **options).run(follow=False)
