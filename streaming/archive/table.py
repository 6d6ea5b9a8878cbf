"""Tables of an archive: their columns, and how a record becomes a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from streaming.consumer.records import GZIP_MAGIC, gunzip
from streaming.errors import Poison
from streaming.reader.shard_reader import StreamRecord

ColumnType = Literal["text", "integer", "number", "timestamp", "bytes"]
"""Timestamps are in UTC, with microseconds."""

Row: TypeAlias = tuple[object, ...]
"""A value for each column; None is null."""


class Column(NamedTuple):
    """A column.

    Attributes:
        name: Its name.
        type: The type of its values.
        description: What it holds, with its unit.
    """

    name: str
    type: ColumnType
    description: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: The name of its folder.
        version: Of its columns; raised by a change that breaks a query. A new column does not.
        columns: Its columns.
        row: Returns a record's row, from the record and its data, decompressed; None if the record
            is not this table's. Raises `Poison` if it is, but cannot be read.
        deduplicated: Whether its rows are predictions, identified by their columns `event_id`,
            `model` and `stream`. The rows of other tables are records, each of which is read once.
    """

    name: str
    version: int
    columns: tuple[Column, ...]
    row: Callable[[StreamRecord, bytes], Row | None]
    deduplicated: bool = False


NO_TABLE = "no table takes this kind of record"

OTHERS = Table(
    "others",
    1,
    (
        Column("stream", "text", "the stream that it was read from"),
        Column("event_id", "text", "its shard and sequence number"),
        Column("partition_key", "text", "the producer's"),
        Column("arrived_at", "timestamp", "its arrival on the stream"),
        Column("reason", "text", "why no table takes it"),
        Column("data", "bytes", "its data, as it was put"),
    ),
    lambda _record, _content: None,
)
"""What no other table takes."""


def row_of(record: StreamRecord, stream: str, tables: Sequence[Table]) -> tuple[Table, Row]:
    """Return a record's row, and the table that it belongs to.

    Args:
        record: A user record of the stream.
        stream: The stream's name.
        tables: Each is tried in turn; `OTHERS` takes what none of them takes, with the reason.
    """
    reason = NO_TABLE
    try:
        content = gunzip(record.data) if record.data.startswith(GZIP_MAGIC) else record.data
        for table in tables:
            row = table.row(record, content)
            if row is not None:
                return table, row
    except Poison as error:
        reason = str(error)
    key, data = record.partition_key, record.data
    return OTHERS, (stream, record.event_id, key, record.arrived_at, reason, data)
