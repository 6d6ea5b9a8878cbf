"""A run that is killed at any moment, and the next one: the rows of an undisturbed run."""

from __future__ import annotations

import signal
from random import Random
from typing import TYPE_CHECKING

import pytest

from batch.interval import Interval
from tests.batch.scored_rows import query, request, rows, score_into, statuses
from tests.batch.scoring_runs import Run, ScoringRuns
from tests.batch.trip_files import trip, trips, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.rides

INTERVAL = ("2025-01-01", "2027-01-01")


@pytest.fixture(scope="module")
def runs() -> Iterator[ScoringRuns]:
    started = ScoringRuns()
    yield started
    started.stop()


def arguments(location: str, files: Sequence[Path], *options: str) -> list[str]:
    since, until = INTERVAL
    return [
        *("--data", " ".join(map(str, files)), "--since", since, "--until", until),
        *("--database", location, "--staging", str(files[0].parent / "staging"), *options),
    ]


def kill_when(run: Run, share: float, staging: Path, slices: int) -> None:
    """Kill a run once a share of its slices is staged.

    Below 0, so many seconds after its begin; above 1, so many after its last slice.
    """
    run.wait(max(0.0, -share))
    while run.wait(0.002) is None:
        finished = len(list(staging.glob("*/*/*.json")))
        if finished >= min(share, 1.0) * slices:
            break
    run.wait(max(0.0, share - 1))
    run.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_run_is_continued_by_the_next(
    runs: ScoringRuns, location: str, workers: str, tmp_path: Path
) -> None:
    files = [
        write(
            tmp_path / f"trips-{number}.parquet",
            [*trips(1500), trip(0, trip_distance=-1.0), trip(1, DOLocationID=0)],
        )
        for number in range(6)
    ]
    wanted = arguments(location, files, "--workers", workers)
    draw = Random(workers)
    # Between slices, each later than the one before, which has staged its own; then at the commit.
    shares = [draw.uniform(0.1, 0.5), draw.uniform(0.6, 0.95), 1 + draw.uniform(0, 0.5)]
    if workers == "1":  # before the first slice, as with any number
        shares.insert(0, -draw.uniform(0, 0.5))
    for share in shares:
        kill_when(runs.start(wanted), share, tmp_path / "staging", len(files))

    assert runs.start(wanted).wait() == 0

    predictions, rejects = rows(location)
    counted = query(
        location, "SELECT status, read, predicted, rejected FROM runs ORDER BY run DESC LIMIT 1"
    )
    assert counted == [("complete", 6 * 1502, 6 * 1500, 12)]
    assert not {"running"} & {s for (s,) in query(location, "SELECT status FROM runs")}
    assert list((tmp_path / "staging").iterdir()) == []
    undisturbed = str(tmp_path / "undisturbed.duckdb")
    score_into(undisturbed, request(files, Interval.parse(*INTERVAL)))
    assert (predictions, rejects) == rows(undisturbed)


def test_a_run_that_is_killed_in_its_commit_leaves_the_rows_from_before(
    runs: ScoringRuns, location: str, tmp_path: Path
) -> None:
    """Within the transaction: predictions are replaced, rejects are not."""
    files = [write(tmp_path / f"trips-{n}.parquet", trips(100)) for n in range(3)]
    assert runs.start(arguments(location, files[:1])).wait() == 0
    before = rows(location)
    kind = "postgresql" if "://" in location else "duckdb"
    wanted = arguments(location, files)

    assert runs.start(wanted, (f"batch.{kind}_database", "check_rows")).wait() == -signal.SIGKILL

    assert rows(location) == before
    assert runs.start(wanted).wait() == 0
    assert len(rows(location)[0]) == 300
    assert statuses(location) == ["complete", "interrupted", "complete"]


def test_a_run_that_is_killed_after_its_commit_is_complete(
    runs: ScoringRuns, location: str, tmp_path: Path
) -> None:
    """What it has staged is still there; the next run takes it up, and leaves the same rows."""
    wanted = arguments(location, [write(tmp_path / "trips.parquet", trips(100))])

    killed = runs.start(wanted, ("batch.staged_results:StagedResults", "delete"))

    assert killed.wait() == -signal.SIGKILL
    found = rows(location)
    assert len(found[0]) == 100
    assert runs.start(wanted).wait() == 0
    assert rows(location) == found
    assert statuses(location) == ["complete", "complete"]
    assert list((tmp_path / "staging").iterdir()) == []
