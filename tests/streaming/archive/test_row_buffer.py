"""Rows that wait for a file: which of them a reader's position is behind."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from streaming.archive.row_buffer import RowBuffer
from streaming.reader.checkpoints import FINISHED
from streaming.reader.shard_reader import StreamRecord
from tests.streaming.archive.archive_fixtures import READINGS

if TYPE_CHECKING:
    from streaming.archive.table import Row

SHARD = "shardId-000000000001"
ARRIVED = datetime.fromisoformat("2025-03-01T13:15:00Z")


def add(buffer: RowBuffer, number: int, shard: str = SHARD) -> Row:
    record = StreamRecord(shard, str(number), "key", b"1234", ARRIVED)
    row: Row = (record.event_id, f"m{number}", ARRIVED, 1.5)
    buffer.add(record, READINGS, row)
    return row


def taken(buffer: RowBuffer, position: dict[str, str]) -> list[Row]:
    return [row for _, rows in buffer.take(position).values() for row in rows]


@pytest.mark.parametrize(
    ("position", "is_behind"),
    [
        ({SHARD: "9"}, False),
        ({SHARD: "10"}, True),
        ({SHARD: "11"}, True),
        ({SHARD: "10:0"}, False),  # within an aggregated record
        ({SHARD: "TRIM_HORIZON"}, False),
        ({SHARD: FINISHED}, True),
        ({"shardId-000000000002": "9"}, True),  # the shard has expired
    ],
)
def test_the_last_record_is_taken_once_the_position_is_behind_it(
    position: dict[str, str], *, is_behind: bool
) -> None:
    buffer = RowBuffer()
    first, last = add(buffer, 8), add(buffer, 10)

    assert taken(buffer, position) == ([first, last] if is_behind else [first])
    assert buffer.rows == (0 if is_behind else 1)
    assert taken(buffer, {SHARD: "10"}) == ([] if is_behind else [last])
    assert buffer.rows == 0


def test_the_entries_of_one_record_stay_together() -> None:
    buffer = RowBuffer()
    first, entries = add(buffer, 8), [add(buffer, 10), add(buffer, 10)]

    assert taken(buffer, {SHARD: "8"}) == [first]
    entries.append(add(buffer, 10))
    assert taken(buffer, {SHARD: "10"}) == entries


def test_equal_sequence_numbers_of_two_shards_are_two_records() -> None:
    buffer = RowBuffer()
    rows = [add(buffer, 10), add(buffer, 10, "shardId-000000000002")]

    assert taken(buffer, {SHARD: "10", "shardId-000000000002": "9"}) == rows[:1]
    assert taken(buffer, {SHARD: "10", "shardId-000000000002": "10"}) == rows[1:]


def test_rows_are_counted_until_they_are_taken_and_bytes_from_then_on() -> None:
    """Else the rows that stay would make the next commit due at once."""
    buffer = RowBuffer()
    for number in (8, 9, 10):
        add(buffer, number)
    assert (buffer.rows, buffer.data_bytes) == (3, 12)

    taken(buffer, {SHARD: "9"})
    assert (buffer.rows, buffer.data_bytes) == (1, 0)
    add(buffer, 11)
    assert (buffer.rows, buffer.data_bytes) == (2, 4)
