"""The handlers that are compared, each in a process of its own: none sees another's imports."""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from importlib import import_module
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from benchmarks.ride_batches import aggregated_batch, batch
from local.runtime import load_handler

OURS, POWERTOOLS, COURSE = "ours", "powertools", "course"
HANDLERS = {
    OURS: "lambda_function.lambda_handler",
    POWERTOOLS: "benchmarks.powertools_handler.lambda_handler",
    COURSE: "benchmarks.mlflow_handler.lambda_handler",
}

load = lru_cache(load_handler)


def open_process(log: Path, environment: Mapping[str, str]) -> ProcessPoolExecutor:
    """Return an executor of one process, which ends with its `with` statement.

    The process is spawned, not forked, so it starts with nothing imported.

    Args:
        log: File to which the process's output is appended.
        environment: Variables set before anything is imported, on top of this process's own.
    """
    return ProcessPoolExecutor(
        max_workers=1,
        mp_context=get_context("spawn"),
        initializer=_set_up,
        initargs=(log, dict(environment)),
    )


def run(
    contender: str, rides: int, times: int, *, aggregated: bool = False
) -> tuple[list[float], list[float]]:
    """Invoke a contender's handler with the same batch several times.

    Args:
        contender: A key of `HANDLERS`.
        rides: Number of rides in the batch.
        times: Number of invocations.
        aggregated: Whether the rides are in one aggregated record.

    Returns:
        Seconds of wall time and of CPU time (all threads of the process) of each invocation.

    Raises:
        RuntimeError: The handler reported failed records.
    """
    handler = load(HANDLERS[contender])
    event = aggregated_batch(rides) if aggregated else batch(rides)
    walls, cpus = [], []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        response = handler(event, None)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        if response.get("batchItemFailures"):
            raise RuntimeError(f"{contender} failed to process records: {response}")
    return walls, cpus


def call(function: str, *arguments: Any) -> Any:
    """Call `module.function` of a module that only this process is to import."""
    module, _, name = function.rpartition(".")
    return getattr(import_module(module), name)(*arguments)


def resident_after(contender: str, event: Path, times: int) -> float:
    """Invoke a handler several times and return the resident memory afterwards, in MiB.

    Args:
        contender: A key of `HANDLERS`.
        event: JSON file of the event; each invocation parses it anew, as Lambda's runtime does.
        times: Number of invocations.
    """
    handler = load(HANDLERS[contender])
    for _ in range(times):
        handler(json.loads(event.read_bytes()), None)
    return memory_mb("VmRSS")


def memory_mb(field: str) -> float:
    """Return this process's resident memory in MiB: `VmRSS`, the current, or `VmHWM`, the peak.

    `getrusage` is no substitute: Linux starts a child's peak at what its parent had resident.
    """
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}; this runs on Linux")
    return int(found[1]) / 1024


def _set_up(log: Path, environment: Mapping[str, str]) -> None:
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # Not the terminal's stream, which Python would flush at every line.
    sys.stdout = sys.stderr = log.open("a")
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    os.environ.update(environment)


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()  # it returns even after `kill -9`
    os._exit(1)
