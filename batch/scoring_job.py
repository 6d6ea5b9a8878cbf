"""What a schedule or a backfill scores: a table, and where its predictions go."""

import glob
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batch.databases import open_database
from batch.errors import DatabaseError, InvalidRequest
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.scored_intervals import complete_intervals
from batch.scoring import Report, Request, score
from batch.slice_worker import load
from streaming.errors import without_password


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """What to score, whichever interval it is.

    Attributes:
        data: Files, or patterns such as `trips/*.parquet` that are looked up at each run.
        database: Where the predictions go.
        staging: The folder of results that are not committed yet.
        table: The table of a DuckDB file; None: Parquet files.
        workers: How many processes predict an interval.
        key: See `batch.row_mapping.row_mapping`.
        time: See there.
        event: See there.
    """

    data: tuple[str, ...]
    database: str
    staging: str
    table: str | None = None
    workers: int = 1
    key: str | None = None
    time: str | None = None
    event: str | None = None

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], database: str) -> "ScoringJob":
        """Return the job that `parameters` was made of."""
        return cls(**{**parameters, "data": tuple(parameters["data"]), "database": database})

    def parameters(self) -> dict[str, Any]:
        """Return what a scheduler may store and show: the database's URL may hold a password."""
        return {name: value for name, value in asdict(self).items() if name != "database"}

    def request(self, interval: Interval) -> Request:
        """Return what to score of an interval.

        Raises:
            SourceError: A file is missing.
        """
        files = [Path(name) for pattern in self.data for name in _matching(pattern)]
        return Request(
            RidesTable.named(files, self.table),
            interval,
            Path(self.staging),
            self.workers,
            self.key,
            self.time,
            self.event,
        )

    def score(self, interval: Interval) -> Report:
        """Score an interval; a second time leaves the same rows.

        Raises:
            BatchError: It cannot be scored.
        """
        with open_database(self.database, self.workers) as database:
            return score(self.request(interval), database)

    def complete(self, *, any_version: bool) -> list[Interval]:
        """Return the intervals that this model has scored.

        Args:
            any_version: Whether another version's predictions will do.
        """
        model = load()
        version = "" if any_version else model.version
        return complete_intervals(self.database, model.name, version)

    def check_at_most(self, at_most: int) -> None:
        """Refuse to score several intervals at once into a file.

        Raises:
            InvalidRequest: It is asked for.
        """
        if at_most > 1 and "://" not in self.database:
            raise InvalidRequest(
                f"AT_MOST is {at_most}; allowed with a DuckDB file: 1, one program scores into it at "
                "a time (WORKERS= are the processes of one interval)"
            )


def may_pass(error: BaseException) -> bool:
    """Return whether an error may pass by itself, such as a database that is in use or away."""
    return isinstance(error, DatabaseError)


def report_line(interval: Interval, report: Report) -> str:
    """Return what became of an interval in one line."""
    counts = report.counts
    return (
        f"{interval}: read {counts.read:,} = predicted {counts.predicted:,} + rejected "
        f"{counts.rejected:,} + skipped {counts.skipped:,}, {report.seconds:.1f} s"
    )


def shown_database(location: str) -> str:
    """Return a database's place without its password."""
    return without_password(location)


def _matching(pattern: str) -> list[str]:
    if glob.has_magic(pattern):
        return sorted(glob.glob(pattern)) or [pattern]  # noqa: PTH207  a pattern may be absolute
    return [pattern]
