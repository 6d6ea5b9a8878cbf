"""Scores an interval of a `ScoringJob`, in the process that `scoring_process` starts."""

import glob
from pathlib import Path

from batch.databases import open_database
from batch.errors import BatchError, DatabaseError
from batch.interval import Interval
from batch.predictions_reader import complete_intervals
from batch.rides_table import RidesTable
from batch.scoring import Request, score
from batch.scoring_job import Answer, Order, ScoringJob
from batch.slice_worker import load
from streaming import StreamingError


def answer(order: Order) -> Answer:
    """Do what is asked for; an error is an answer as well."""
    try:
        if order.interval is None:
            return Answer(_complete(order.job, any_version=order.any_version))
        return Answer(_score(order.job, order.interval))
    except (BatchError, StreamingError) as error:
        return Answer(error=str(error), may_pass=isinstance(error, DatabaseError))


def _score(job: ScoringJob, interval: Interval) -> str:
    files = [Path(name) for pattern in job.data for name in _matching(pattern)]
    request = Request(
        RidesTable.named(files, job.table),
        interval,
        Path(job.staging),
        job.workers,
        job.key,
        job.time,
        job.event,
    )
    with open_database(job.database, job.workers) as database:
        report = score(request, database)
    counts = report.counts
    return (
        f"{interval}: read {counts.read:,} = predicted {counts.predicted:,} + rejected "
        f"{counts.rejected:,} + skipped {counts.skipped:,}, {report.seconds:.1f} s"
    )


def _complete(job: ScoringJob, *, any_version: bool) -> list[tuple[str, str]]:
    open_database(job.database)  # refuses a place that is none
    model = load()
    version = "" if any_version else model.version
    found = complete_intervals(job.database, model.name, version)
    return [(each.since.isoformat(), each.until.isoformat()) for each in found]


def _matching(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return [pattern]
    # Not Path.glob: a pattern may be absolute.
    return sorted(glob.glob(pattern)) or [pattern]  # noqa: PTH207
