"""Time and memory by batch size, and memory after large batches."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.contenders import COURSE, OURS, POWERTOOLS, memory_mb, resident_after, run
from benchmarks.results import Growth
from benchmarks.ride_batches import batch

BATCHES = (100, 1_000, 2_500, 5_000, 10_000)
AGGREGATES = (100, 1_000, 2_000, 3_000, 4_000)
"""Rides in one aggregated record; a record holds 1 MiB."""

LARGEST = {OURS: 10_000, POWERTOOLS: 1_000, COURSE: 100}
"""Records in the batches after which memory is read: a full batch, or what time allows."""

NewProcess = Callable[[], ProcessPoolExecutor]


def growth(new_process: NewProcess, times: int) -> list[Growth]:
    """Measure batches and aggregated records of several sizes.

    Args:
        new_process: Starts a process.
        times: Number of measurements of each size.
    """
    return [
        _growth("batch", BATCHES, new_process, times),
        _growth("aggregate", AGGREGATES, new_process, times),
    ]


def _growth(what: str, sizes: Sequence[int], new_process: NewProcess, times: int) -> Growth:
    aggregated = what == "aggregate"
    milliseconds, peaks = [], []
    for size in sizes:
        with new_process() as process:  # a new one, whose peak memory is then this size's
            process.submit(run, OURS, size, 1, aggregated=aggregated).result()
            _, cpu = process.submit(run, OURS, size, times, aggregated=aggregated).result()
            milliseconds.append(1000 * median(cpu))
            peaks.append(process.submit(memory_mb, "VmHWM").result())
    return Growth(what, list(sizes), milliseconds, peaks)


def resident(new_process: NewProcess, folder: Path) -> dict[str, float]:
    """Return the MiB that each contender has resident after five large batches.

    Args:
        new_process: Starts a process.
        folder: Where the events' files go.
    """
    found = {}
    for name, records in LARGEST.items():
        event = folder.resolve() / f"event-{records}.json"
        event.write_text(json.dumps(batch(records)))
        with new_process() as process:
            found[name] = process.submit(resident_after, name, event, 5).result()
    return found
