"""What can go wrong with a server: an error of one line, without a password."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import psycopg
import pytest

from batch.databases import open_database
from batch.errors import DatabaseError, DatabaseInUse, InvalidRequest
from batch.interval import Interval
from batch.predictions_database import ScoredInterval
from batch.scoring import score
from tests.batch.scored_rows import MARCH, request, rows, score_into, statuses
from tests.batch.trip_files import trips, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.rides
SECRET = "s3cret"  # noqa: S105  of nobody


@pytest.fixture
def month(tmp_path: Path) -> Path:
    return write(tmp_path / "march.parquet", trips(50))


def refused(location: str, month: Path) -> str:
    with pytest.raises((DatabaseError, InvalidRequest)) as raised:
        score_into(location, request([month]))
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)
    return str(raised.value)


def test_a_server_that_is_not_there(month: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        message = refused(f"postgresql://me:{SECRET}@127.0.0.1:{port}/rides", month)

    assert message.startswith(f"postgresql://***@127.0.0.1:{port}/rides cannot be used: ")
    assert "refused" in message.lower()


def test_a_user_or_a_database_that_is_not_there(postgresql: str, month: Path) -> None:
    unknown = postgresql.replace("tests@", f"nobody-here:{SECRET}@")

    assert 'role "nobody-here" does not exist' in refused(unknown, month)
    assert 'database "none" does not exist' in refused(
        postgresql.replace("/postgres?", "/none?"), month
    )


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}%zz@127.0.0.1/rides",
        f"postgresql://me:a@{SECRET}@127.0.0.1:1/rides",
        f"postgresql://127.0.0.1:1/rides?password={SECRET}",
        f"postgresql://127.0.0.1:1/rides?pasword={SECRET}",
    ],
)
def test_a_url_that_libpq_does_not_understand_shows_no_password(url: str, month: Path) -> None:
    refused(url, month)


def test_a_user_without_the_right_to_write(postgresql: str, month: Path) -> None:
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA public TO reader")

    assert "permission denied for schema public" in refused(
        postgresql.replace("tests@", "reader@"), month
    )


def test_a_server_that_goes_away_leaves_the_rows_from_before(postgresql: str, month: Path) -> None:
    score_into(postgresql, request([month]))
    before = rows(postgresql)
    write(month, trips(80))

    class Losing:
        """Ends the connection between the predictions and the commit."""

        def __call__(self, done: int, _rows: int) -> None:
            if done:
                with psycopg.connect(postgresql, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    )

    with open_database(postgresql) as database, pytest.raises(DatabaseError) as raised:
        score(request([month]), database, Losing())
    assert "\n" not in str(raised.value)
    assert rows(postgresql) == before

    report = score_into(postgresql, request([month]))

    assert (report.resumed, len(rows(postgresql)[0])) == (1, 80)
    assert statuses(postgresql) == ["complete", "interrupted", "complete"]


def test_a_table_of_others_is_refused(postgresql: str, month: Path) -> None:
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE TABLE predictions (id integer)")

    assert '"predictions" is not a view' in refused(postgresql, month)


def scored(interval: Interval) -> ScoredInterval:
    return ScoredInterval("alarm_model", "1", interval, ("prediction",))


def test_two_intervals_are_scored_at_once_and_one_interval_is_not(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batch.postgresql_database.LOCK_SECONDS", 0.1)
    april = Interval.parse("2025-04-01", "2025-05-01")
    with open_database(postgresql) as first, open_database(postgresql) as second:
        first.begin(scored(MARCH))
        second.begin(scored(april))
        with open_database(postgresql) as third, pytest.raises(DatabaseInUse):
            third.begin(scored(april))


def test_a_location_that_is_no_database_is_refused() -> None:
    for location in ("mysql://me:s3cret@host/name", "predictions.txt", ""):
        with pytest.raises(InvalidRequest) as raised:
            open_database(location)
        assert SECRET not in str(raised.value)
        assert "allowed: a DuckDB file" in str(raised.value)
