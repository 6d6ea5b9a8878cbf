"""The predictions database that a URL or a path names."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from batch.duckdb_database import DuckDBDatabase
from batch.errors import InvalidRequest
from batch.predictions_database import PredictionsDatabase, shown_location

ALLOWED = "a DuckDB file such as build/predictions.duckdb, or postgresql://host/name"
SUFFIXES = (".duckdb", ".ddb", ".db")


def open_database(location: str, threads: int = 1) -> PredictionsDatabase:
    """Return a predictions database; it is used with `with`.

    Args:
        location: A DuckDB file's path, or a `postgresql://` URL.
        threads: How many threads of this process commit.

    Raises:
        InvalidRequest: The location is neither.
    """
    shown = repr(shown_location(location))
    if location.startswith(("postgresql://", "postgres://")):
        if location.count("@") > 1:
            raise InvalidRequest(f"DATABASE is {shown} with several @; allowed: %40 in a password")
        if find_spec("psycopg") is None:
            raise InvalidRequest(
                f"DATABASE is {shown}; psycopg is not installed: `make score` has it"
            )
        # Imported only here: a DuckDB file needs no psycopg.
        module = import_module("batch.postgresql_database")
        database: PredictionsDatabase = module.PostgreSQLDatabase(location)
        return database
    if "://" in location or Path(location).suffix not in SUFFIXES:
        raise InvalidRequest(f"DATABASE is {shown}; allowed: {ALLOWED}")
    return DuckDBDatabase(Path(location), threads)
