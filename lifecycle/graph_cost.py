"""What a graph costs when it serves: time per ride and memory, in a process of its own.

Run as a module with a graph and rides, two files, it prints JSON.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnxruntime

from lifecycle.errors import ComparisonError

if TYPE_CHECKING:  # pandas and pyarrow would slow down the process that measures
    from training.trips import Rides

BATCH = 1_000
"""Rides in a call: the function's batch size."""

_REPEATS = 30


class GraphCost(msgspec.Struct, frozen=True):
    """Time and memory of a graph, on one thread.

    Attributes:
        us_per_ride: Microseconds per ride in batches of `BATCH`; the fastest of 30.
        mb: Resident memory that loading and running it adds to a process, in MiB; None where
            there is no /proc.
    """

    us_per_ride: float
    mb: float | None


def measure_graph(graph: bytes, rides: Rides) -> GraphCost:
    """Measure a graph in a process of its own, where nothing else has used memory.

    Args:
        graph: The ONNX file's content.
        rides: At least one; repeated to fill a batch.

    Raises:
        ComparisonError: It cannot be loaded or run.
    """
    chosen = np.resize(np.arange(len(rides["hour"])), BATCH)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "model.onnx", Path(folder) / "rides.npz"
        files[0].write_bytes(graph)
        batch: dict[str, Any] = {name: values[chosen] for name, values in rides.items()}
        np.savez(files[1], **batch)
        done = subprocess.run(  # noqa: S603  this module, on files of this process
            [sys.executable, "-m", "lifecycle.graph_cost", *files],
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            check=False,
        )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ComparisonError(f"a graph cannot be measured: {reason}")
    return msgspec.json.decode(done.stdout, type=GraphCost)


def _measure(graph: Path, rides: Path) -> GraphCost:
    with np.load(rides) as loaded:
        batch = dict(loaded)
    before = _resident_mb()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        session.run(None, batch)
        seconds.append(time.perf_counter() - start)
    after = _resident_mb()
    added = None if before is None or after is None else round(after - before, 1)
    return GraphCost(round(min(seconds) / BATCH * 1e6, 2), added)


def _resident_mb() -> float | None:
    """Return this process's resident memory in MiB (proc(5)); None where there is no /proc."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_measure(*map(Path, sys.argv[1:]))))
