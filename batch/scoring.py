"""Score an interval: count its rows, predict its slices, commit them together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from batch.errors import BatchError, CountsDiffer, SourceError
from batch.interval import Interval
from batch.predictions_database import PredictionsDatabase, ScoredInterval
from batch.rides_table import OpenTable, RidesTable, source_errors
from batch.row_mapping import RowMapping, row_mapping
from batch.scorer import prediction_columns
from batch.slice_worker import REASONS, SliceTask, load, score_slices
from batch.staged_results import PREDICTIONS, REJECTS, Counts, StagedResults

Progress = Callable[[int, int], object]
"""Called with the rows that are done and all rows of the interval."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to score.

    Attributes:
        table: The table of rides.
        interval: Which of its rows.
        staging: The folder of results that are not committed yet.
        workers: How many processes predict; 1: this one.
        key: See `row_mapping`.
        time: See `row_mapping`.
        event: See `row_mapping`.
        by_columns: See `Scorer`.
    """

    table: RidesTable
    interval: Interval
    staging: Path
    workers: int = 1
    key: str | None = None
    time: str | None = None
    event: str | None = None
    by_columns: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What was scored.

    Attributes:
        model: The model's name.
        version: The model's version.
        counts: What became of the rows; its seconds are added up over processes and runs.
        slices: How many slices the table has.
        resumed: How many of them an earlier run had finished, which did not end.
        without_time: Rows that belong to no interval, because they have no time.
        commit_seconds: How long the database took.
        seconds: How long all of it took.
        reasons: Of a dry run, the first rejects' reasons.
    """

    model: str
    version: str
    counts: Counts
    slices: int
    resumed: int
    without_time: int
    commit_seconds: float
    seconds: float
    reasons: tuple[str, ...] = ()


def score(
    request: Request, database: PredictionsDatabase | None, progress: Progress = lambda *_: None
) -> Report:
    """Score an interval and commit its predictions and rejects; scoring it again replaces them.

    Args:
        request: What to score.
        database: Where the results go; None, a dry run: nowhere.
        progress: Called after each slice.

    Raises:
        BatchError: See `batch.errors`. The database's rows are those from before.
        StreamingError: The model cannot be loaded.
    """
    started = perf_counter()
    model = load()
    scored = ScoredInterval(model.name, model.version, request.interval, prediction_columns(model))
    if database is not None:
        database.begin(scored)
    try:
        files = _files(request)
        with request.table.open() as table:
            mapping = _mapping(request, table)
            rows, without_time = table.count(mapping, request.interval)
            slices = table.slices()
        staging = None if database is None else _staging(request, mapping, scored, files)
        finished = {} if staging is None else staging.finished()
        done = sum(finished.values(), Counts())
        progress(done.read, rows)
        task = SliceTask(
            request.table,
            mapping,
            request.interval,
            staging,
            by_columns=request.by_columns,
            version=model.version,
        )
        left = [part for part in slices if part.number not in finished]
        reasons: list[str] = []
        for part in score_slices(task, model, left, request.workers):
            done += part.counts
            reasons += part.reasons
            progress(done.read, rows)
        _reconcile(done, rows)
        if _files(request) != files:  # the rows may be those of two versions of it
            raise SourceError(
                "a file of DATA has changed while it was read; nothing is committed, run it again"
            )
        committing = perf_counter()
        if database is not None and staging is not None:
            predictions, rejects = (
                staging.files(name, len(slices)) for name in (PREDICTIONS, REJECTS)
            )
            database.commit(predictions, rejects, done)
            staging.delete()
    except BatchError as error:
        if database is not None:
            database.fail(str(error))
        raise
    ended = perf_counter()
    return Report(
        scored.model,
        scored.version,
        done,
        len(slices),
        len(finished),
        without_time,
        ended - committing,
        ended - started,
        tuple(reasons[:REASONS]),
    )


def _mapping(request: Request, table: OpenTable) -> RowMapping:
    found = [
        row_mapping(table.types(file), key=request.key, time=request.time, event=request.event)
        for file in request.table.files
    ]
    if len({each.time for each in found}) > 1:
        raise SourceError(
            "the files are trip records of green and of yellow taxis; allowed: of one kind"
        )
    mapping = found[0]
    if (twice := table.duplicate(mapping, request.interval)) is not None:
        raise SourceError(
            f"the key {mapping.key} is {twice!r} in several rows; allowed: in one (a row without a "
            "key has its file's name and row number)"
        )
    return mapping


def _files(request: Request) -> list[str]:
    """Describe the files, so that a change of one is seen."""
    with source_errors():
        found = [(file, file.stat()) for file in request.table.files]
    return [f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in found]


def _staging(
    request: Request, mapping: RowMapping, scored: ScoredInterval, files: Sequence[str]
) -> StagedResults:
    depends_on = [
        *files,
        repr((request.table.table, mapping, scored, request.by_columns)),
    ]
    staging = StagedResults(request.staging, repr(scored.constants), depends_on)
    staging.prepare()
    return staging


def _reconcile(done: Counts, rows: int) -> None:
    """Refuse counts that do not add up."""
    if done.read == rows == done.predicted + done.rejected + done.skipped:
        return
    raise CountsDiffer(
        f"the interval has {rows:,} rows, but {done.read:,} were read: {done.predicted:,} "
        f"predicted, {done.rejected:,} rejected, {done.skipped:,} skipped; nothing is "
        "committed, and the table may have changed meanwhile"
    )
