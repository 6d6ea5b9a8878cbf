"""Scores slices in processes; one thread each, so that as many run as there are cores."""

import atexit
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from time import perf_counter
from typing import Any

import pyarrow as pa

from batch.errors import BatchError, ModelUnavailable
from batch.interval import Interval
from batch.rides_table import OpenTable, RidesTable, Slice, source_errors
from batch.row_mapping import RowMapping
from batch.scorer import Scorer
from batch.staged_results import Counts, StagedResults
from model import load_model
from streaming import Model, aws_client

REASONS = 5
"""Reasons of a slice's rejects that a dry run keeps."""


@dataclass(frozen=True, slots=True)
class SliceTask:
    """What is done with every slice.

    Attributes:
        table: The table of rides.
        mapping: How a row becomes an event.
        interval: Which rows.
        staging: Where the results go; None: nowhere.
        by_columns: See `Scorer`.
        version: The model's version: a process that loads another one predicts nothing.
    """

    table: RidesTable
    mapping: RowMapping
    interval: Interval
    staging: StagedResults | None
    by_columns: bool
    version: str


@dataclass(frozen=True, slots=True)
class FinishedSlice:
    """What became of a slice.

    Attributes:
        number: The slice's.
        counts: What became of its rows.
        reasons: Without staging, the first rejects' reasons.
    """

    number: int
    counts: Counts
    reasons: tuple[str, ...]


def load() -> Model[Any]:
    """Load the model that the environment describes, as the function does."""
    return load_model(os.environ, lambda: aws_client("s3"))


def score_slices(
    task: SliceTask, model: Model[Any], slices: Sequence[Slice], workers: int
) -> Iterator[FinishedSlice]:
    """Score slices, in this process or in several.

    Args:
        task: What is done with them.
        model: The model, for this process; another loads its own.
        slices: Which ones.
        workers: How many processes.

    Yields:
        Each slice that is finished, in any order.

    Raises:
        BatchError: One cannot be scored; what is finished stays staged.
    """
    if workers == 1 or len(slices) <= 1:
        scorer = Scorer(model, task.mapping, by_columns=task.by_columns)
        with task.table.open() as table:
            for part in slices:
                yield _score_slice(task, table, scorer, part)
        return
    with ProcessPoolExecutor(
        min(workers, len(slices)), get_context("spawn"), _set_up, (task,)
    ) as pool:
        running = [pool.submit(_score_in_worker, part) for part in slices]
        try:
            for future in as_completed(running):
                yield future.result()
        except BrokenProcessPool as error:
            raise BatchError(
                "a process that predicts has ended; if it was killed for its memory, take fewer "
                "WORKERS. The next run continues with what is finished"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_worker: list[tuple[SliceTask, OpenTable, Scorer]] = []
"""What a process of the pool has set up; the table stays open until it ends."""
_stack = ExitStack()


def _set_up(task: SliceTask) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this one
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    scorer = Scorer(load(), task.mapping, by_columns=task.by_columns)
    _worker.append((task, _stack.enter_context(task.table.open()), scorer))
    # All results are in the parent's pipe by then. An ordinary end, with the thread above, has
    # DuckDB print what it calls leaks.
    atexit.register(os._exit, 0)


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()  # it returns even after `kill -9`
    os._exit(1)


def _score_in_worker(part: Slice) -> FinishedSlice:
    task, table, scorer = _worker[0]
    if scorer.version != task.version:
        raise ModelUnavailable(
            f"the model's version was {task.version} and is {scorer.version} now: it was replaced "
            "while the run began; run it again"
        )
    return _score_slice(task, table, scorer, part)


def _score_slice(task: SliceTask, table: OpenTable, scorer: Scorer, part: Slice) -> FinishedSlice:
    scored = _ScoredSlice(task, table, scorer, part)
    started = perf_counter()
    try:
        if task.staging is None:
            for _ in scored.tables():
                pass
        else:
            task.staging.write(part.number, scored.tables())
        seconds = perf_counter() - started
        counts = scored.counts(seconds)
        if task.staging is not None:
            task.staging.finish(part.number, counts)
    except MemoryError as error:
        raise BatchError(
            "memory is short; take fewer WORKERS. The next run continues with what is finished"
        ) from error
    return FinishedSlice(part.number, counts, tuple(scored.reasons))


class _ScoredSlice:
    """The results of a slice, as they come, and what is counted meanwhile."""

    def __init__(self, task: SliceTask, table: OpenTable, scorer: Scorer, part: Slice) -> None:
        self._task = task
        self._table = table
        self._scorer = scorer
        self._part = part
        self._done = Counts()
        self.reasons: list[str] = []

    def tables(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield predictions and rejects."""
        started = perf_counter()
        with source_errors():
            for rows in self._table.read(self._part, self._task.mapping, self._task.interval):
                read = perf_counter()
                found = self._scorer.score(rows)
                predicted = perf_counter()
                self._done += Counts(
                    len(rows),
                    len(found.predictions),
                    len(found.rejects),
                    found.skipped,
                    read - started,
                    predicted - read,
                )
                if self._task.staging is None and len(self.reasons) < REASONS:
                    self.reasons += found.rejects["error_message"].slice(0, REASONS).to_pylist()
                yield found.predictions, found.rejects
                started = perf_counter()
        self._done += Counts(read_seconds=perf_counter() - started)

    def counts(self, seconds: float) -> Counts:
        """Return what was counted; the rest of the time was spent on writing."""
        done = self._done
        return done + Counts(write_seconds=seconds - done.read_seconds - done.predict_seconds)
