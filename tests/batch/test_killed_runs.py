"""A run that is killed at any moment, and the next one: the rows of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.batch.scored_rows import query, rows
from tests.batch.trip_files import trip, trips, write

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.rides

ROOT = Path(__file__).resolve().parents[2]
INTERVAL = ("--since", "2025-01-01", "--until", "2027-01-01")


def command(location: str, files: Sequence[Path], *options: str) -> list[str]:
    names = " ".join(map(str, files))
    staging = files[0].parent / "staging"
    return [
        *(sys.executable, "-m", "scripts", "score", "--data", names, *INTERVAL),
        *("--database", location, "--staging", str(staging), *options),
    ]


def run(location: str, files: Sequence[Path], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(location, files, *options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def kill_when(started: subprocess.Popen[bytes], share: float, staging: Path, slices: int) -> None:
    """Kill a run once a share of its slices is staged; above 1, while it commits or later."""
    while started.poll() is None:
        finished = len(list(staging.glob("*/*/*.json")))
        if finished >= min(share, 1.0) * slices:
            break
        _wait(started, 0.002)
    _wait(started, max(0.0, share - 1))
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()


def _wait(started: subprocess.Popen[bytes], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        started.wait(seconds)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_run_is_continued_by_the_next(location: str, workers: str, tmp_path: Path) -> None:
    files = [
        write(
            tmp_path / f"trips-{number}.parquet",
            [*trips(1500), trip(0, trip_distance=-1.0), trip(1, DOLocationID=0)],
        )
        for number in range(6)
    ]
    draw = Random(workers)
    # Some before the first slice, some between slices, some around the commit.
    shares = [0.0, *(draw.uniform(0.1, 0.95) for _ in range(3)), 1.0, 1 + draw.uniform(0, 0.1)]
    for share in shares:
        started = subprocess.Popen(
            command(location, files, "--workers", workers),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        kill_when(started, share, tmp_path / "staging", len(files))

    last = run(location, files, "--workers", workers)

    assert last.returncode == 0, last.stderr
    predictions, rejects = rows(location)
    counted = query(
        location, "SELECT status, read, predicted, rejected FROM runs ORDER BY run DESC LIMIT 1"
    )
    assert counted == [("complete", 6 * 1502, 6 * 1500, 12)]
    assert not {"running"} & {s for (s,) in query(location, "SELECT status FROM runs")}
    undisturbed = str(tmp_path / "undisturbed.duckdb")
    assert run(undisturbed, files).returncode == 0
    assert (predictions, rejects) == rows(undisturbed)
    assert list((tmp_path / "staging").iterdir()) == []


def test_half_an_interval_is_never_seen(location: str, tmp_path: Path) -> None:
    """While an interval is scored again, its rows are those of the run before."""
    path = write(tmp_path / "trips.parquet", trips(1500))
    assert run(location, [path]).returncode == 0
    before = rows(location)
    more = [path, *(write(tmp_path / f"more-{n}.parquet", trips(1500)) for n in range(5))]
    started = subprocess.Popen(
        command(location, more),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    kill_when(started, 0.5, tmp_path / "staging", len(more))

    found = rows(location)

    assert found == before or len(found[0]) == 6 * 1500
