"""Runs a contender's handler; called in a worker."""

import json
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.ride_batches import aggregated, batch
from local.runtime import Handler, load_handler

Times = tuple[list[float], list[float]]
"""Seconds of each run by the wall's clock, and of the process's CPU time."""

handler_of = lru_cache(load_handler)


def run(handler: str, rides: int, times: int) -> Times:
    """Hand over the same batch some times."""
    return _run(handler_of(handler), batch(rides), times)


def run_aggregated(handler: str, rides: int, times: int) -> Times:
    """Hand over the same aggregate some times."""
    return _run(handler_of(handler), aggregated(rides), times)


def resident_after(handler: str, event: Path, times: int) -> float:
    """Hand a fresh copy of a batch over some times; give the memory that is resident then.

    Args:
        handler: Whose.
        event: A file with the event's JSON.
        times: How often.
    """
    handle = handler_of(handler)
    for _ in range(times):
        handle(json.loads(event.read_bytes()), None)
    return memory_mb("VmRSS")


def memory_mb(field: str) -> float:
    """Read a size from the kernel: VmRSS, what is resident, or VmHWM, the most that ever was."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}; this runs on Linux")
    return int(found[1]) / 1024


def _run(handle: Handler, event: Any, times: int) -> Times:
    walls, cpus = [], []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        answer = handle(event, None)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        if answer.get("batchItemFailures"):
            raise RuntimeError(f"a handler that fails is not worth measuring: {answer}")
    return walls, cpus
