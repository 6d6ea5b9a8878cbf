"""A predictions database that is one DuckDB file."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb

from batch.errors import DatabaseError, DatabaseInUse
from batch.predictions_database import (
    COMPLETE,
    FAILED,
    INTERRUPTED,
    KEY,
    RUN_COUNTS,
    RUNNING,
    ScoredInterval,
    check_columns,
    check_rows,
)
from batch.rides_table import DUCKDB, QUIET, file_literal, first_line
from batch.scorer import is_number
from batch.staged_results import Counts

_KEY_COLUMNS = (
    "model VARCHAR NOT NULL, version VARCHAR NOT NULL, since TIMESTAMP NOT NULL, "
    "until TIMESTAMP NOT NULL, ride VARCHAR NOT NULL"
)
_RUNS = """
CREATE TABLE IF NOT EXISTS runs (
    run BIGINT NOT NULL, model VARCHAR NOT NULL, version VARCHAR NOT NULL,
    since TIMESTAMP NOT NULL, until TIMESTAMP NOT NULL, status VARCHAR NOT NULL,
    read BIGINT, predicted BIGINT, rejected BIGINT, skipped BIGINT,
    started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP, reason VARCHAR)
"""
_OF_INTERVAL = "model = $model AND version = $version AND since = $since AND until = $until"


class DuckDBDatabase:
    """Predictions in a DuckDB file; see `batch.predictions_database.PredictionsDatabase`.

    The file is open only while a run begins and while it commits, so that others can read it
    meanwhile. Its key has no index: an interval's rows are replaced as a whole, and an index would
    have to fit in memory.

    Args:
        path: The file; it is created if there is none.
        threads: How many threads commit.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.path = path
        self._lock = path.with_name(f"{path.name}.lock")
        self._config: dict[str, Any] = {**DUCKDB, "threads": threads}
        self._held: Any = None
        self._scored: ScoredInterval
        self._run = 0

    def begin(self, scored: ScoredInterval) -> None:
        """Lock the file, create the tables, and record a run that begins."""
        self._scored = scored
        self._take_lock()
        with self._open() as db:
            db.execute(_RUNS)
            for table, columns in scored.tables.items():
                kinds = ", ".join(f"{n} {'DOUBLE' if is_number(n) else 'VARCHAR'}" for n in columns)
                db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({_KEY_COLUMNS}, {kinds})")
                held = [name for name, *_ in db.execute(f"DESCRIBE {table}").fetchall()]
                check_columns(f"{table} of {self.path}", held, (*KEY, *columns))
            db.execute("UPDATE runs SET status = ? WHERE status = ?", [INTERRUPTED, RUNNING])
            ((self._run,),) = db.execute("SELECT coalesce(max(run), 0) + 1 FROM runs").fetchall()
            db.execute(
                "INSERT INTO runs (run, model, version, since, until, status, started_at) "
                "VALUES ($run, $model, $version, $since, $until, $status, $at)",
                {**scored.constants, "run": self._run, "status": RUNNING, "at": _now()},
            )

    def commit(self, predictions: Sequence[Path], rejects: Sequence[Path], counts: Counts) -> None:
        """Replace the rows of the interval, and record that its run is complete."""
        files = {"predictions": predictions, "rejects": rejects}
        with self._open() as db:
            for table, columns in self._scored.tables.items():
                db.execute(f"DELETE FROM {table} WHERE {_OF_INTERVAL}", self._scored.constants)
                if files[table]:
                    self._insert(db, table, columns, files[table])
                ((found,),) = db.execute(
                    f"SELECT count(*) FROM {table} WHERE {_OF_INTERVAL}",
                    self._scored.constants,
                ).fetchall()
                check_rows(table, found, counts)
            numbers = {name: getattr(counts, name) for name in RUN_COUNTS}
            assigned = ", ".join(f"{name} = ${name}" for name in numbers)
            db.execute(
                f"UPDATE runs SET status = $status, {assigned}, finished_at = $at WHERE run = $run",
                {**numbers, "status": COMPLETE, "at": _now(), "run": self._run},
            )

    def fail(self, reason: str) -> None:
        """Record that the run failed, if the file can be opened."""
        with suppress(DatabaseError), self._open() as db:
            db.execute(
                "UPDATE runs SET status = ?, finished_at = ?, reason = ? WHERE run = ?",
                [FAILED, _now(), reason, self._run],
            )

    def __enter__(self) -> Self:
        """Return the database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _take_lock(self) -> None:
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            held = self._lock.open("a")
        except OSError as error:
            raise DatabaseError(f"{self.path} cannot be locked: {error}") from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            raise DatabaseInUse(
                f"another program scores into {self.path}; allowed: one at a time"
            ) from None
        self._held = held

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for one transaction."""
        try:
            with duckdb.connect(str(self.path), config=self._config) as db:
                db.execute(QUIET)
                db.begin()
                yield db
                db.commit()
        except duckdb.IOException as error:
            if "lock" in str(error):
                raise DatabaseInUse(
                    f"another program has {self.path} open: {first_line(error)}"
                ) from error
            raise DatabaseError(f"{self.path} cannot be written: {first_line(error)}") from error
        except (duckdb.Error, OSError) as error:
            raise DatabaseError(f"{self.path} cannot be written: {first_line(error)}") from error

    def _insert(
        self,
        db: duckdb.DuckDBPyConnection,
        table: str,
        columns: Sequence[str],
        files: Sequence[Path],
    ) -> None:
        names = ", ".join(file_literal(path) for path in files)
        db.execute(
            f"INSERT INTO {table} SELECT $model, $version, $since, $until, ride, "
            f"{', '.join(columns)} FROM read_parquet([{names}], hive_partitioning=false)",
            self._scored.constants,
        )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
