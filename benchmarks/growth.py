"""How time and memory grow with a batch, and with an aggregate."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from statistics import median

from benchmarks.results import Growth, Line
from benchmarks.workers import Worker

HANDLING = "benchmarks.handling"
BATCHES = (100, 1_000, 2_500, 5_000, 10_000)
AGGREGATES = (100, 1_000, 2_000, 3_000, 4_000)
"""Rides in one record, which holds 1 MiB."""


def growth(
    what: str,
    function: str,
    sizes: Sequence[int],
    times: int,
    worker: Callable[[], AbstractContextManager[Worker]],
) -> Growth:
    """Measure each size in a process of its own, whose peak of memory is then that size's.

    Args:
        what: What grows.
        function: `run` or `run_aggregated` of `benchmarks.handling`.
        sizes: How many rides.
        times: How often to measure each.
        worker: Starts a process.
    """
    milliseconds, peaks = [], []
    for size in sizes:
        with worker() as process:
            handler = "lambda_function.lambda_handler"
            process.call(f"{HANDLING}.{function}", handler, size, 1)
            _, cpu_seconds = process.call(f"{HANDLING}.{function}", handler, size, times)
            milliseconds.append(1000 * median(cpu_seconds))
            peaks.append(process.call(f"{HANDLING}.memory_mb", "VmHWM"))
    return Growth(
        what=what,
        sizes=list(sizes),
        milliseconds=milliseconds,
        peak_mb=peaks,
        time_line=Line.through(sizes, milliseconds),
        memory_line=Line.through(sizes, peaks),
    )
