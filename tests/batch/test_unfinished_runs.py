"""Runs that stop, or do not add up: nothing is committed, and the next one goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batch import slice_worker
from batch.databases import open_database
from batch.errors import CountsDiffer, DatabaseInUse, ModelUnavailable
from batch.scoring import score
from batch.staged_results import Counts, StagedResults
from tests.batch.scored_rows import request, rows, score_into, statuses
from tests.batch.trip_files import trips, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.rides
def test_counts_that_do_not_add_up_commit_nothing(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        StagedResults, "finished", lambda _self: {0: Counts(read=100, predicted=99)}
    )

    with pytest.raises(CountsDiffer, match="the interval has 502 rows, but 100 were read: 99"):
        score_into(location, request([month]))

    assert rows(location) == ([], [])
    assert statuses(location) == ["failed"]


@pytest.mark.rides
def test_the_database_itself_is_counted(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = StagedResults.files
    monkeypatch.setattr(StagedResults, "files", lambda *found: kept(*found)[1:])

    with pytest.raises(CountsDiffer, match=r"predictions would hold .* expected 500"):
        score_into(location, request([month]))

    assert rows(location) == ([], [])


@pytest.mark.rides
def test_two_runs_of_an_interval_at_once_are_refused(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batch.postgresql_database.LOCK_SECONDS", 0.1)
    with open_database(location) as first:

        class Spy:
            def begin(self, found: Any) -> None:
                first.begin(found)
                with pytest.raises(DatabaseInUse, match="allowed: one at a time"):
                    score_into(location, request([month]))
                raise DatabaseInUse("seen")

        with pytest.raises(DatabaseInUse, match="seen"):
            score(request([month]), Spy())  # type: ignore[arg-type]


@pytest.mark.rides
def test_a_process_with_another_version_of_the_model_predicts_nothing(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a pointer is promoted between the start of the run and that of its processes."""
    files = [write(tmp_path / f"trips-{number}.parquet", trips(50)) for number in range(2)]
    load = slice_worker.load

    def load_and_promote() -> Any:
        model = load()
        monkeypatch.setenv("RUN_ID", "promoted")
        return model

    monkeypatch.setattr("batch.scoring.load", load_and_promote)

    with pytest.raises(ModelUnavailable, match="and is promoted now: it was replaced"):
        score_into(location, request(files, workers=2))

    assert rows(location) == ([], [])


@pytest.mark.rides
def test_a_run_continues_with_the_slices_that_are_left(location: str, tmp_path: Path) -> None:
    files = [write(tmp_path / f"trips-{number}.parquet", trips(50)) for number in range(5)]
    seen: list[int] = []

    def stop_in_the_middle(done: int, _rows: int) -> None:
        seen.append(done)
        if done == 100:
            raise KeyboardInterrupt

    with open_database(location) as database, pytest.raises(KeyboardInterrupt):
        score(request(files), database, stop_in_the_middle)
    assert rows(location) == ([], [])

    report = score_into(location, request(files))

    assert seen == [0, 50, 100]
    assert (report.resumed, report.slices, report.counts.predicted) == (2, 5, 250)
    assert statuses(location) == ["interrupted", "complete"]


@pytest.mark.rides
def test_results_of_a_table_that_has_changed_are_not_used(location: str, tmp_path: Path) -> None:
    files = [write(tmp_path / f"trips-{number}.parquet", trips(50)) for number in range(2)]

    def stop(done: int, _rows: int) -> None:
        if done:
            raise KeyboardInterrupt

    with open_database(location) as database, pytest.raises(KeyboardInterrupt):
        score(request(files), database, stop)
    write(files[0], trips(60))

    report = score_into(location, request(files))

    assert (report.resumed, report.counts.predicted) == (0, 110)
