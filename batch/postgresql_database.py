"""A predictions database on PostgreSQL."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psycopg
import pyarrow.csv
import pyarrow.parquet as pq
from psycopg.conninfo import conninfo_to_dict

from batch.errors import DatabaseError, DatabaseInUse, InvalidRequest
from batch.predictions_database import (
    COMPLETE,
    FAILED,
    INTERRUPTED,
    RUN_COUNTS,
    RUNNING,
    ScoredInterval,
    check_columns,
    check_rows,
    shown_location,
)
from batch.rides_table import first_line
from batch.scorer import is_number
from batch.staged_results import Counts, staging_errors

CONNECT_SECONDS = 10
"""How long to wait for the server, unless the URL says."""

LOCK_SECONDS = 2
"""How long to wait for another run of the interval to end."""

COPY_ROWS = 65_536
"""Rows that become one piece of a COPY."""

WORK_MEM = "64MB"
"""Of the server, for the sort before the upsert; what does not fit goes to its disk."""

_TABLES_LOCK = "batch scoring: the tables"
_LOCK = "batch scoring {model} {version} {since} {until}"

_INTERVALS = """
CREATE TABLE IF NOT EXISTS scored_intervals (
    scored_interval integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL, version text NOT NULL, since timestamp NOT NULL, until timestamp NOT NULL,
    UNIQUE (model, version, since, until))
"""
_RUNS = """
CREATE TABLE IF NOT EXISTS runs (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL, version text NOT NULL, since timestamp NOT NULL,
    until timestamp NOT NULL, status text NOT NULL, read bigint, predicted bigint, rejected bigint,
    skipped bigint, started_at timestamptz NOT NULL, finished_at timestamptz, reason text)
"""
# With the interval's number in place of its four columns, an upsert takes half the time. Bytes
# decide the order of rides: by a language's rules, comparing takes longer.
_ROWS = """
CREATE TABLE IF NOT EXISTS {rows} (
    scored_interval integer NOT NULL,
    ride text COLLATE "C" NOT NULL, {kinds}, PRIMARY KEY (scored_interval, ride))
"""
_VIEW = """
CREATE OR REPLACE VIEW {table} AS
SELECT model, version, since, until, ride, {columns}
FROM {rows} JOIN scored_intervals USING (scored_interval)
"""
_ROWS_OF = {"predictions": "prediction_rows", "rejects": "reject_rows"}
_UPSERT = """
INSERT INTO {rows} (scored_interval, ride, {columns})
SELECT %(interval)s, ride, {columns} FROM staged_{table} ORDER BY ride
ON CONFLICT (scored_interval, ride) DO UPDATE SET ({columns}) = ROW ({new})
WHERE ({old}) IS DISTINCT FROM ({new})
"""
_DELETE = """
DELETE FROM {rows} WHERE scored_interval = %(interval)s
AND NOT EXISTS (SELECT FROM staged_{table} AS staged WHERE staged.ride = {rows}.ride)
"""
_OF_INTERVAL = (
    "model = %(model)s AND version = %(version)s AND since = %(since)s AND until = %(until)s"
)


class PostgreSQLDatabase:
    """Predictions on a PostgreSQL server; see `batch.predictions_database.PredictionsDatabase`.

    A commit is one transaction: a COPY to a staging table, and one upsert. `predictions` and
    `rejects` are views. The lock is the server's, so that it ends with the connection.

    Args:
        url: `postgresql://user@host:port/name`; what it lacks is libpq's `PG…` variables', such as
            `PGPASSWORD`, or `~/.pgpass`'s.

    Raises:
        InvalidRequest: It is no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            self._options = {"connect_timeout": CONNECT_SECONDS, **conninfo_to_dict(url)}
        except psycopg.Error:  # its message may show the password
            raise InvalidRequest(
                f"DATABASE is {shown_location(url)!r}, which libpq does not understand; allowed: "
                "postgresql://user@host:port/name, with % and two digits for other characters"
            ) from None
        self._name = shown_location(url)
        self._password = str(self._options.get("password") or "")
        self._connection: psycopg.Connection | None = None
        self._scored: ScoredInterval
        self._interval = self._run = 0

    def begin(self, scored: ScoredInterval) -> None:
        """Lock the interval, create the tables, and record a run that begins."""
        self._scored = scored
        with self._errors():
            self._connection = psycopg.connect(autocommit=True, **self._options)  # type: ignore[arg-type]
        with self._transaction() as cursor:
            self._take_lock(cursor)
            # Two that create one table at once would fail.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_TABLES_LOCK])
            cursor.execute(_INTERVALS)
            cursor.execute(_RUNS)
            for table, columns in scored.tables.items():
                self._create(cursor, table, columns)
            cursor.execute(
                f"UPDATE runs SET status = %(new)s WHERE {_OF_INTERVAL} AND status = %(old)s",
                {**scored.constants, "new": INTERRUPTED, "old": RUNNING},
            )
            cursor.execute(
                "INSERT INTO scored_intervals (model, version, since, until) VALUES "
                "(%(model)s, %(version)s, %(since)s, %(until)s) ON CONFLICT DO NOTHING",
                scored.constants,
            )
            cursor.execute(
                f"SELECT scored_interval FROM scored_intervals WHERE {_OF_INTERVAL}",
                scored.constants,
            )
            ((self._interval,),) = cursor.fetchall()
            cursor.execute(
                "INSERT INTO runs (model, version, since, until, status, started_at) VALUES "
                "(%(model)s, %(version)s, %(since)s, %(until)s, %(status)s, now()) RETURNING run",
                {**scored.constants, "status": RUNNING},
            )
            ((self._run,),) = cursor.fetchall()

    def commit(self, predictions: Sequence[Path], rejects: Sequence[Path], counts: Counts) -> None:
        """Replace the rows of the interval, and record that its run is complete."""
        files = {"predictions": predictions, "rejects": rejects}
        with self._transaction() as cursor:
            cursor.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
            for table, columns in self._scored.tables.items():
                self._copy(cursor, table, columns, files[table])
                self._replace(cursor, table, columns)
                cursor.execute(
                    f"SELECT count(*) FROM {_ROWS_OF[table]} WHERE scored_interval = %s",
                    [self._interval],
                )
                ((found,),) = cursor.fetchall()
                check_rows(table, found, counts)
            numbers = {name: getattr(counts, name) for name in RUN_COUNTS}
            assigned = ", ".join(f"{name} = %({name})s" for name in numbers)
            cursor.execute(
                f"UPDATE runs SET status = %(status)s, {assigned}, finished_at = now() "
                "WHERE run = %(run)s",
                {**numbers, "status": COMPLETE, "run": self._run},
            )

    def fail(self, reason: str) -> None:
        """Record that the run failed, if the server can be reached."""
        with suppress(DatabaseError), self._transaction() as cursor:
            cursor.execute(
                "UPDATE runs SET status = %s, finished_at = now(), reason = %s WHERE run = %s",
                [FAILED, reason.replace("\0", ""), self._run],
            )

    def __str__(self) -> str:
        """Return the URL without user, password and options."""
        return self._name

    def __enter__(self) -> Self:
        """Return the database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection, which releases the lock."""
        if self._connection is not None:
            self._connection.close()

    def _take_lock(self, cursor: psycopg.Cursor) -> None:
        scored = self._scored
        # The server may take a moment to notice that a killed run's connection has ended.
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        try:
            lock = _LOCK.format(**scored.constants)
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [lock])
        except psycopg.errors.LockNotAvailable:
            raise DatabaseInUse(
                f"another program scores {scored.interval} with {scored.model} "
                f"{scored.version} into {self}; allowed: one at a time"
            ) from None
        cursor.execute("SET LOCAL lock_timeout = 0")

    def _create(self, cursor: psycopg.Cursor, table: str, columns: Sequence[str]) -> None:
        kinds = ", ".join(f"{n} {'double precision' if is_number(n) else 'text'}" for n in columns)
        rows = _ROWS_OF[table]
        cursor.execute(_ROWS.format(rows=rows, kinds=kinds))
        cursor.execute(f"SELECT * FROM {rows} LIMIT 0")
        found = [column.name for column in cursor.description or ()][2:]
        check_columns(f"{rows} of {self}", found, columns)
        cursor.execute(_VIEW.format(table=table, rows=rows, columns=", ".join(columns)))

    def _copy(
        self, cursor: psycopg.Cursor, table: str, columns: Sequence[str], files: Sequence[Path]
    ) -> None:
        named = ", ".join(("ride", *columns))
        cursor.execute(
            f"CREATE TEMPORARY TABLE staged_{table} ON COMMIT DROP AS "
            f"SELECT {named} FROM {_ROWS_OF[table]} WITH NO DATA"
        )
        options = pyarrow.csv.WriteOptions(include_header=False)
        with cursor.copy(f"COPY staged_{table} ({named}) FROM STDIN (FORMAT csv)") as copy:
            for path in files:
                with staging_errors(path.parent), pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(COPY_ROWS):
                        buffer = io.BytesIO()
                        pyarrow.csv.write_csv(batch, buffer, options)
                        copy.write(buffer.getbuffer())
        # Without its statistics, the deletion's plan may be one that takes hours.
        cursor.execute(f"ANALYZE staged_{table} (ride)")

    def _replace(self, cursor: psycopg.Cursor, table: str, columns: Sequence[str]) -> None:
        """Upsert the staged rows, and delete what the interval has no more."""
        rows = _ROWS_OF[table]
        names = {
            "columns": ", ".join(columns),
            "old": ", ".join(f"{rows}.{name}" for name in columns),
            "new": ", ".join(f"excluded.{name}" for name in columns),
        }
        for statement in (_DELETE, _UPSERT):
            query = statement.format(table=table, rows=rows, **names)
            cursor.execute(query, {"interval": self._interval})

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor]:
        if self._connection is None:
            raise DatabaseError(f"{self} is not connected")
        with self._errors(), self._connection.transaction(), self._connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, UnicodeError) as error:
            reason = first_line(error)
            if self._password:  # libpq quotes what it does not understand
                reason = reason.replace(self._password, "…")
            raise DatabaseError(f"{self} cannot be used: {reason}") from None
