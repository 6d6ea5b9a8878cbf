"""Scores intervals, and reads what is in a predictions database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import psycopg

from batch.databases import open_database
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.scoring import Report, Request, score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MARCH = Interval.parse("2025-03-01", "2025-04-01")


def request(files: Sequence[Path], interval: Interval = MARCH, **others: Any) -> Request:
    staging = files[0].parent / "staging"
    return Request(RidesTable.named(files), interval, staging, **others)


def score_into(location: str, wanted: Request) -> Report:
    with open_database(location) as database:
        return score(wanted, database)


def query(location: str, sql: str) -> list[tuple[Any, ...]]:
    if "://" in location:
        with psycopg.connect(location) as connection:
            return list(connection.execute(sql.encode()).fetchall())
    with duckdb.connect(location, read_only=True) as db:
        return db.execute(sql).fetchall()


def rows(location: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return predictions and rejects, by their key."""
    predictions, rejects = (
        sorted(query(location, f"SELECT * FROM {table}"), key=lambda row: row[:5])  # noqa: S608
        for table in ("predictions", "rejects")
    )
    return predictions, rejects


def statuses(location: str) -> list[str]:
    return [status for (status,) in query(location, "SELECT status FROM runs ORDER BY run")]
