"""Reads a predictions database of either kind, and never writes."""

from collections.abc import Mapping
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from batch.errors import DatabaseError, DatabaseInUse
from batch.predictions_database import shown_location
from batch.rides_table import DUCKDB, first_line

ROWS = 50_000
"""Rows of a PostgreSQL server that are in memory at a time."""


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
        return _of_postgresql(location, query, values)
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


def _of_postgresql(location: str, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    # Imported only here: a DuckDB file needs no psycopg.
    psycopg = import_module("psycopg")
    for name in values:
        query = query.replace(f"${name}", f"%({name})s")
    shown = shown_location(location)
    try:
        with closing(psycopg.connect(location, connect_timeout=10)) as connection:
            found: list[tuple[Any, ...]] = connection.execute(query, dict(values)).fetchall()
            return found
    except psycopg.errors.UndefinedTable:
        return []
    except psycopg.Error as error:
        # Its own words may hold the URL, with its password.
        raise DatabaseError(f"{shown} cannot be read: {type(error).__name__}") from None
