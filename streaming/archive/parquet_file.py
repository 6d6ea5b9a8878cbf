"""Rows as Parquet files, and the identities of rows in them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import Any

import msgspec

from streaming.archive.table import ColumnType, Row, Table

COMPRESSION = "zstd"
IDENTITY = ("event_id", "model", "stream")

_encode = msgspec.json.Encoder().encode


@cache
def _pyarrow() -> tuple[Any, Any]:
    """Import pyarrow on first use: programs offer an archive that most runs do not have."""
    return import_module("pyarrow"), import_module("pyarrow.parquet")


def _type(kind: ColumnType) -> Any:
    pa, _ = _pyarrow()
    types: dict[ColumnType, Any] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "bytes": pa.binary(),
    }
    return types[kind]


def arrow_schema(table: Table) -> Any:
    """Return a table's Arrow schema; its metadata names the table and the version."""
    pa, _ = _pyarrow()
    return pa.schema(
        [
            pa.field(name, _type(kind), metadata={"description": description})
            for name, kind, description in table.columns
        ],
        metadata={"table": table.name, "version": str(table.version)},
    )


def parquet_file(table: Table, rows: Sequence[Row]) -> bytes:
    """Return the content of a file with rows of a table; the same rows give the same bytes.

    Args:
        table: The table.
        rows: At least one.
    """
    pa, pq = _pyarrow()
    schema = arrow_schema(table)
    columns = [
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    content = BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), content, compression=COMPRESSION)
    return content.getvalue()


def identities(content: bytes) -> Iterator[bytes]:
    """Yield the identity of each row of a deduplicated table's file, as JSON.

    Raises:
        ValueError: It is not such a file.
        OSError: The same.
    """
    _, pq = _pyarrow()
    found = pq.read_table(BytesIO(content), columns=list(IDENTITY))
    for batch in found.to_batches():
        for row in batch.to_pylist():
            yield _encode(row)


def folder_of(table: Table, arrived_at: datetime) -> str:
    """Return the folder of a table's rows that arrived within an hour, in UTC."""
    return f"{table.name}/date={arrived_at:%Y-%m-%d}/hour={arrived_at:%H}"
