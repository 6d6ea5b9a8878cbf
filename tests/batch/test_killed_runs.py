"""A run that is killed at any moment, and the next one: the rows of an undisturbed run."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from batch.interval import Interval
from tests.batch.scored_rows import query, request, rows, score_into
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
    # One before the first slice, some between slices, one around the commit.
    shares = [draw.uniform(0.1, 0.95), draw.uniform(0.1, 0.95), 1 + draw.uniform(0, 0.1)]
    if workers == "1":  # the same with any number
        shares = [-draw.uniform(0, 0.5), *shares, 1.0]
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


def test_half_an_interval_is_never_seen(runs: ScoringRuns, location: str, tmp_path: Path) -> None:
    """While an interval is scored again, its rows are those of the run before."""
    path = write(tmp_path / "trips.parquet", trips(1500))
    assert runs.start(arguments(location, [path])).wait() == 0
    before = rows(location)
    more = [path, *(write(tmp_path / f"more-{n}.parquet", trips(1500)) for n in range(5))]
    kill_when(runs.start(arguments(location, more)), 0.5, tmp_path / "staging", len(more))

    found = rows(location)

    assert found == before or len(found[0]) == 6 * 1500
