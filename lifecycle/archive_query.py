"""An archive's tables of rides as views of a database in memory, to be queried with SQL."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from lifecycle.errors import ArchiveUnreadable
from lifecycle.ride_tables import RIDE_ENDED, RIDE_PREDICTIONS, RIDE_STARTED
from streaming.archive.parquet_file import arrow_schema
from streaming.archive.table import ColumnType, Table
from streaming.locations import parse_location
from streaming.storage import FolderStorage, S3Storage

TABLES = (RIDE_PREDICTIONS, RIDE_STARTED, RIDE_ENDED)
SUFFIX = ".parquet"

_SQL_TYPES: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "timestamp": "TIMESTAMPTZ",
    "bytes": "BLOB",
}
_OPTIONAL = {"stream", "ride_duration_low", "ride_duration_high", "passenger_count"}
"""Columns that no answer depends on: without them they are null."""

_VERSIONS = """
SELECT DISTINCT decode(value) FROM parquet_kv_metadata($files)
WHERE decode(key) = 'version' AND decode(value) <> $version ORDER BY 1
"""

# What does not fit goes to the temporary folder. No extension is fetched from elsewhere.
_CONFIG: dict[str, Any] = {
    "memory_limit": "1GB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def open_archive_tables(
    location: str, s3_client: Callable[[], Any]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an archive's tables `predictions`, `ride_started` and `ride_ended` as views.

    A table without files is an empty view. What a query cannot hold in memory goes to a temporary
    folder; so do the files of a bucket, as a whole.

    Args:
        location: `s3://bucket/prefix` or `file:///folder`.
        s3_client: Creates an S3 client; called for `s3://`.

    Raises:
        ArchiveUnreadable: There is no such folder, a file is damaged, or a table has other columns.
            A query within the context may meet one too: see `_query_errors`.
        SettingsError: The location is neither.
        StorageError: The storage cannot be used.
    """
    place = parse_location("the archive", location)
    with TemporaryDirectory(prefix="archive-") as scratch:
        if isinstance(place, Path):
            names = FolderStorage(place).names()
            files = {name: place / name for name in names if _table_of(name)}
        else:
            files = _fetched(S3Storage(s3_client, place), Path(scratch))
        with _query_errors(), duckdb.connect(config={**_CONFIG, "temp_directory": scratch}) as db:
            db.execute("SET TimeZone = 'UTC'")
            for table in TABLES:
                _create_view(
                    db,
                    table,
                    [str(p) for name, p in files.items() if _table_of(name) == table.name],
                )
            yield db


def _table_of(name: str) -> str | None:
    """Return the table that a file of an archive belongs to."""
    table, _, rest = name.partition("/")
    return table if rest.endswith(SUFFIX) and table in {found.name for found in TABLES} else None


def _fetched(storage: S3Storage, folder: Path) -> dict[str, Path]:
    files = {}
    for number, name in enumerate(filter(_table_of, storage.names())):
        files[name] = folder / f"{number}{SUFFIX}"
        files[name].write_bytes(storage.read(name))
    return files


def _create_view(db: duckdb.DuckDBPyConnection, table: Table, files: Sequence[str]) -> None:
    if not files:
        db.from_arrow(arrow_schema(table).empty_table()).create(table.name)
        return
    # A name is a pattern there: `[` would begin a set of characters.
    patterns = [re.sub(r"[\[*?]", r"[\g<0>]", name) for name in files]
    found = db.read_parquet(patterns, union_by_name=True, hive_partitioning=False)
    others = db.execute(_VERSIONS, {"files": patterns, "version": str(table.version)}).fetchall()
    if others:
        raise ArchiveUnreadable(
            f"the archive's table {table.name} has files of version {others[0][0]}; "
            f"this program reads version {table.version}"
        )
    missing = {column.name for column in table.columns} - set(found.columns)
    if missing - _OPTIONAL:
        raise ArchiveUnreadable(
            f"the archive's table {table.name} has no column {', '.join(sorted(missing))}; "
            "allowed: the tables of lifecycle.ride_tables"
        )
    columns = ", ".join(
        f"CAST({'NULL' if name in missing else name} AS {_SQL_TYPES[kind]}) AS {name}"
        for name, kind, _ in table.columns
    )
    found.project(columns).create_view(table.name)


@contextmanager
def _query_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise ArchiveUnreadable(f"the archive cannot be read: {reason}") from error
