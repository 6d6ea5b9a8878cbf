"""What a schedule or a backfill scores, each interval in a process of its own.

An interval that is killed for its memory then fails alone, several use several cores, and Prefect's
process stays small. This module knows neither DuckDB nor the model: `interval_scoring` does.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from batch.errors import BatchError, InvalidRequest
from batch.interval import Interval


class MayPass(BatchError):
    """An error that may pass by itself, such as a database that is in use or away."""


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

    def score(self, interval: Interval) -> str:
        """Score an interval, and return its counts in a line; a second time leaves the same rows.

        Raises:
            MayPass: The database is in use, or cannot be reached.
            BatchError: It cannot be scored.
        """
        return str(_ask(Order(self, interval)))

    def complete(self, *, any_version: bool) -> list[Interval]:
        """Return the intervals that this model has scored.

        Args:
            any_version: Whether another version's predictions will do.

        Raises:
            BatchError: The model cannot be loaded, or the database not read.
        """
        found = _ask(Order(self, None, any_version))
        return [Interval.parse(since, until) for since, until in found]


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is asked for.

    Attributes:
        job: What to score.
        interval: The interval to score; None: say which are complete.
        any_version: For those; see `ScoringJob.complete`.
    """

    job: ScoringJob
    interval: Interval | None
    any_version: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process answers.

    Attributes:
        result: Of `ScoringJob.score` or `ScoringJob.complete`.
        error: What is wrong; empty: nothing.
        may_pass: Whether the error may pass by itself.
    """

    result: Any = None
    error: str = ""
    may_pass: bool = False


def check_at_most(at_most: int, database: str) -> None:
    """Refuse to score several intervals at once into a file.

    Raises:
        InvalidRequest: It is asked for.
    """
    if at_most > 1 and "://" not in database:
        raise InvalidRequest(
            f"AT_MOST is {at_most}; allowed with a DuckDB file: 1, one program at a time scores "
            "into it (WORKERS= are the processes of one interval)"
        )


def _ask(order: Order) -> Any:
    answer = _answer(order)
    if answer.error:
        raise MayPass(answer.error) if answer.may_pass else BatchError(answer.error)
    return answer.result


def _answer(order: Order) -> Answer:
    done = subprocess.run(
        [sys.executable, "-m", "batch.scoring_process"],
        input=msgspec.json.encode(order),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise BatchError(
            f"the process that scores has ended with status {done.returncode}; if it was killed "
            "for its memory, take fewer WORKERS. The next run continues with what is finished"
        )
    return msgspec.json.decode(done.stdout, type=Answer)
