"""The predictions database that a URL or a path names."""

from pathlib import Path

from batch.duckdb_database import DuckDBDatabase
from batch.errors import InvalidRequest
from batch.predictions_database import PredictionsDatabase

ALLOWED = "a DuckDB file such as build/predictions.duckdb, or postgresql://host/name"
SUFFIXES = (".duckdb", ".ddb", ".db")


def open_database(location: str, threads: int = 1) -> PredictionsDatabase:
    """Return a predictions database; it is used with `with`.

    Args:
        location: A DuckDB file's path.
        threads: How many threads of this process commit.

    Raises:
        InvalidRequest: The location is neither.
    """
    if "://" in location or Path(location).suffix not in SUFFIXES:
        raise InvalidRequest(f"DATABASE is {location!r}; allowed: {ALLOWED}")
    return DuckDBDatabase(Path(location), threads)
