"""A schedule and a backfill as Prefect flows; what they decide is in `missed_intervals`.

A failed interval is tried again where the error may pass. Two runs that score one interval at once
are kept apart by the database's lock: one of them fails because it is in use, and comes again.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.task_runners import ThreadPoolTaskRunner

from batch.errors import BatchError
from batch.interval import Interval
from batch.missed_intervals import Every, Missed, Schedule
from batch.row_mapping import ZONE
from batch.scoring_job import MayPass, ScoringJob

DATABASE = "SCORING_DATABASE"
"""The environment variable that tells a flow run its database: Prefect shows parameters."""

RETRY_SECONDS = (10, 60, 300)
"""Before each further try."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an interval.

    Attributes:
        interval: The interval.
        line: Its counts, or its error.
        failed: Whether it has no predictions from this run.
    """

    interval: Interval
    line: str
    failed: bool


def score_intervals(
    job: ScoringJob,
    intervals: Sequence[Interval],
    at_most: int,
    retry_seconds: Sequence[float] = RETRY_SECONDS,
) -> list[Outcome]:
    """Score intervals as one flow run, some at once; one that fails does not stop the others.

    Args:
        job: What to score.
        intervals: Which intervals.
        at_most: How many at once.
        retry_seconds: How long to wait before each further try.
    """
    score_one = task(
        job.score,
        name="score",
        retries=len(retry_seconds),
        retry_delay_seconds=list(retry_seconds),
        retry_condition_fn=_may_pass,
        cache_policy=NO_CACHE,
        persist_result=False,
    )

    def score_all() -> list[Outcome]:
        running = [score_one.submit(interval) for interval in intervals]
        return [
            _outcome(interval, future.result(raise_on_failure=False))
            for interval, future in zip(intervals, running, strict=True)
        ]

    runner = ThreadPoolTaskRunner(max_workers=at_most)
    found: list[Outcome] = flow(score_all, name="score-intervals", task_runner=runner)()
    return found


@flow(name="batch-scoring", persist_result=False)  # type: ignore[untyped-decorator]
def score_scheduled(  # noqa: PLR0917  Prefect passes them by name
    job: dict[str, Any],
    every: str,
    missed: str,
    since: str | None,
    delay_seconds: float,
    at_most: int,
) -> None:
    """Score what a run is due to score; its scheduled time says which interval is its own.

    Raises:
        BatchError: An interval has failed, after all others were scored.
    """
    found = ScoringJob.from_parameters(job, os.environ[DATABASE])
    first = None if since is None else datetime.fromisoformat(since)
    schedule = Schedule(Every(every), Missed(missed), first, timedelta(seconds=delay_seconds))
    scheduled = runtime.flow_run.scheduled_start_time
    due = schedule.due(scheduled, datetime.now(UTC), found.complete(any_version=True))
    own = schedule.interval(scheduled)
    logger = get_run_logger()
    logger.info("scheduled %s: %s, %d to score", scheduled.isoformat(), own, len(due))
    failed = []
    for outcome in score_intervals(found, due, at_most):
        logger.log(logging.ERROR if outcome.failed else logging.INFO, "%s", outcome.line)
        failed += [outcome] if outcome.failed else []
    if failed:
        raise BatchError(f"{len(failed)} of {len(due)} intervals failed; the next run tries again")


def serve(job: ScoringJob, schedule: Schedule, cron: str, at_most: int) -> None:
    """Score by a schedule until Ctrl-C or SIGTERM, which pauses it.

    Args:
        job: What to score.
        schedule: Which intervals.
        cron: When, in the table's local time; `batch.cron.check_cron` has come before.
        at_most: How many intervals of one run at once; runs take turns.
    """
    os.environ[DATABASE] = job.database
    runner = _InterruptedRunner(name="score", limit=1)
    runner.add_flow(
        score_scheduled,
        name="score",
        schedules=[Cron(cron, timezone=ZONE)],
        parameters={
            "job": job.parameters(),
            "every": str(schedule.every),
            "missed": str(schedule.missed),
            "since": schedule.since and schedule.since.isoformat(),
            "delay_seconds": schedule.delay.total_seconds(),
            "at_most": at_most,
        },
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


class _InterruptedRunner(Runner):  # type: ignore[misc]
    """Ends at SIGTERM as at Ctrl-C: Prefect's own way leaves a coroutine behind, and says so."""

    def handle_sigterm(self, *_: Any, **_others: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # timeout and make send SIGTERM twice
        signal.raise_signal(signal.SIGINT)


def _outcome(interval: Interval, found: Any) -> Outcome:
    if isinstance(found, BaseException):
        return Outcome(interval, f"{interval}: failed: {found}", failed=True)
    return Outcome(interval, found, failed=False)


def _may_pass(_task: object, _run: object, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), MayPass)
