"""Reads a predictions database of either kind, and never writes."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from batch.errors import DatabaseError, DatabaseInUse
from batch.interval import Interval
from batch.predictions_database import COMPLETE, shown_location
from batch.rides_table import DUCKDB, first_line

ROWS = 50_000
"""Rows of a PostgreSQL server that are in memory at a time."""

CONNECT_SECONDS = 10
"""How long to wait for the server."""


_COMPLETE = """
SELECT runs.since, runs.until FROM runs JOIN (
    SELECT max(run) AS newest FROM runs
    WHERE status = $status AND model = $model GROUP BY version, since, until
) AS last ON run = newest
WHERE read > 0 AND ($version = '' OR version = $version)
"""


def complete_intervals(location: str, model: str, version: str = "") -> list[Interval]:
    """Return the intervals whose last complete run has read a ride.

    One in which no ride was found counts as missing: its rides may come later.

    Args:
        location: A DuckDB file's path, or a `postgresql://` URL.
        model: The model's name.
        version: The model's version; empty: any.

    Raises:
        DatabaseError: The database cannot be read.
        DatabaseInUse: Another program has it open to write.
    """
    values = {"status": COMPLETE, "model": model, "version": version}
    found = {Interval(*row) for row in fetch_all(location, _COMPLETE, values)}
    return sorted(found, key=lambda each: (each.since, each.until))


def fetch_all(location: str, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query; none if the database or its tables do not exist yet.

    Args:
        location: A DuckDB file's path, or a `postgresql://` URL.
        query: SQL that both understand, with parameters such as `$model`.
        values: The parameters, by name.

    Raises:
        DatabaseError: The database cannot be read.
        DatabaseInUse: Another program has it open to write.
    """
    if "://" in location:
        return [row for part in fetch_parts(location, query, values) for row in part]
    if not Path(location).exists():
        return []
    try:
        with duckdb.connect(location, read_only=True, config=DUCKDB) as db:
            return db.execute(query, dict(values)).fetchall()
    except duckdb.CatalogException:
        return []
    except duckdb.Error as error:
        raise read_error(location, error) from error


def read_error(location: str, error: duckdb.Error) -> DatabaseError:
    """Return the error of this package for DuckDB's."""
    reason = f"{location} cannot be read: {first_line(error)}"
    in_use = isinstance(error, duckdb.IOException) and "lock" in str(error)
    return DatabaseInUse(reason) if in_use else DatabaseError(reason)


def fetch_parts(
    location: str, query: str, values: Mapping[str, Any]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a query on PostgreSQL, at most `ROWS` at a time; none without its tables.

    Args:
        location: A `postgresql://` URL.
        query: SQL with parameters such as `$model`.
        values: The parameters, by name.

    Raises:
        DatabaseError: The database cannot be read.
    """
    # Imported only here: a DuckDB file needs no psycopg.
    psycopg = import_module("psycopg")
    for name in values:
        query = query.replace(f"${name}", f"%({name})s")
    try:
        with (
            psycopg.connect(location, connect_timeout=CONNECT_SECONDS) as connection,
            connection.cursor("read") as cursor,
        ):
            cursor.execute(query, dict(values))
            while found := cursor.fetchmany(ROWS):
                yield found
    except psycopg.errors.UndefinedTable:
        return
    except psycopg.Error as error:
        # Its own words may hold the URL, with its password.
        raise DatabaseError(
            f"{shown_location(location)} cannot be read: {type(error).__name__}"
        ) from None
