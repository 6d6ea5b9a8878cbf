from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.batch.postgresql_server import running_server
from tests.batch.trip_files import trip, trips, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with running_server() as url:
        yield url


@pytest.fixture
def postgresql(server: str) -> str:
    """Return the URL of a server whose database is empty."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return server


@pytest.fixture(params=["duckdb", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a predictions database of each kind."""
    if request.param == "duckdb":
        return str(tmp_path / "predictions.duckdb")
    url: str = request.getfixturevalue("postgresql")
    return url


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """Return a file of 502 rides in March 2025, two of them bad."""
    bad = [trip(500, trip_distance=float("nan")), trip(501, PULocationID=266)]
    return write(tmp_path / "march.parquet", [*trips(500), *bad], group=100)
