"""What a predictions database is asked to do, and the tables that it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from batch.errors import CountsDiffer, DatabaseError
from batch.interval import Interval
from batch.scorer import REJECT_FIELDS
from batch.staged_results import Counts
from streaming.errors import without_password

KEY = ("model", "version", "since", "until", "ride")
"""The key of a prediction, and of a reject."""

RUNNING, COMPLETE, FAILED, INTERRUPTED = "running", "complete", "failed", "interrupted"
"""The status of a run. An interval's rows are those of its last complete run."""

RUN_COUNTS = ("read", "predicted", "rejected", "skipped")


@dataclass(frozen=True, slots=True)
class ScoredInterval:
    """What the rows of one run have in common.

    Attributes:
        model: The model's name.
        version: The model's version.
        interval: The interval.
        columns: The columns of its predictions; see `batch.scorer.prediction_columns`.
    """

    model: str
    version: str
    interval: Interval
    columns: tuple[str, ...]

    @property
    def constants(self) -> dict[str, object]:
        """The values of `KEY` that all its rows have."""
        since, until = self.interval.since, self.interval.until
        return {"model": self.model, "version": self.version, "since": since, "until": until}

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """The columns of predictions and rejects, beside the key."""
        return {"predictions": self.columns, "rejects": REJECT_FIELDS}


class PredictionsDatabase(Protocol):
    """Holds the tables `predictions`, `rejects` and `runs`.

    The rows of an interval change in one transaction, to those of a complete run: whoever reads
    them meets those of the former run or of this one, never a part.
    """

    def begin(self, scored: ScoredInterval) -> None:
        """Lock the interval, create the tables, and record a run that begins.

        A run that was recorded as running and has ended without a word becomes interrupted.

        Raises:
            DatabaseInUse: Another program scores the interval, or has the database open.
            DatabaseError: The database cannot be used, or its tables have other columns.
        """

    def commit(self, predictions: Sequence[Path], rejects: Sequence[Path], counts: Counts) -> None:
        """Replace the rows of the interval, and record that its run is complete.

        Args:
            predictions: Parquet files, in order.
            rejects: Parquet files, in order.
            counts: What became of the rows.

        Raises:
            DatabaseError: They cannot be written; the rows are those from before.
            CountsDiffer: The tables hold other numbers of rows than `counts` says.
        """

    def fail(self, reason: str) -> None:
        """Record that the run failed, if the database can be reached."""

    def __enter__(self) -> Self:
        """Return the database."""

    def __exit__(self, *_: object) -> None:
        """Release the lock and the connection."""


def check_columns(table: str, found: Sequence[str], expected: Sequence[str]) -> None:
    """Refuse the table of another model's predictions.

    Raises:
        DatabaseError: It has other columns than are expected.
    """
    if list(found) != list(expected):
        raise DatabaseError(
            f"the table {table} has the columns {', '.join(found)}; expected "
            f"{', '.join(expected)}: give another model's predictions another DATABASE"
        )


def check_rows(table: str, found: int, counts: Counts) -> None:
    """Refuse to commit when a table would hold other rows of the interval than were counted.

    Raises:
        CountsDiffer: It would.
    """
    expected = {"predictions": counts.predicted, "rejects": counts.rejected}[table]
    if found != expected:
        raise CountsDiffer(
            f"{table} would hold {found:,} rows of the interval, expected {expected:,}; nothing is "
            "committed"
        )


def shown_location(location: str) -> str:
    """Return a path, or a URL without user, password and options, any of which may be a secret."""
    return without_password(location).partition("?")[0] if "://" in location else location
