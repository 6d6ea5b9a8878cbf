"""An interval in a process of its own, what is complete, and rides that come late."""

from __future__ import annotations

import dataclasses
import fcntl
from typing import TYPE_CHECKING

import duckdb
import msgspec
import pytest

from batch import interval_scoring, scoring_job
from batch.errors import BatchError, InvalidRequest
from batch.interval import Interval
from batch.scoring_job import MayPass, Order, ScoringJob, check_at_most
from scripts.backfill import main as backfill
from scripts.schedule import main as schedule
from tests.batch.trip_files import trips, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.rides

FIRST, SECOND = (
    Interval.parse("2025-03-01", "2025-03-02"),
    Interval.parse("2025-03-02", "2025-03-03"),
)
A_DAY = 144
"""Trips: one each ten minutes."""


@pytest.fixture
def job(tmp_path: Path) -> ScoringJob:
    write(tmp_path / "trips-1.parquet", trips(A_DAY))
    return ScoringJob(
        (str(tmp_path / "trips-*.parquet"),),
        str(tmp_path / "predictions.duckdb"),
        str(tmp_path / "staging"),
    )


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the start of a process, where it is not what a test is about."""
    monkeypatch.setattr(scoring_job, "_answer", interval_scoring.answer)


def rows(job: ScoringJob, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(job.database, read_only=True) as db:
        return db.execute(query).fetchall()


def test_an_interval_is_complete_when_its_rides_are_scored(job: ScoringJob) -> None:
    assert job.complete(any_version=True) == []

    line = job.score(FIRST)

    assert line.startswith(f"{FIRST}: read 144 = predicted 144 + rejected 0 + skipped 0, ")
    assert job.complete(any_version=True) == job.complete(any_version=False) == [FIRST]


@pytest.mark.usefixtures("in_this_process")
def test_an_interval_without_a_ride_stays_missing(job: ScoringJob, tmp_path: Path) -> None:
    job.score(SECOND)
    assert rows(job, "SELECT status, read FROM runs") == [("complete", 0)]
    assert job.complete(any_version=True) == []

    write(tmp_path / "trips-2.parquet", trips(2 * A_DAY)[A_DAY:])
    job.score(SECOND)
    assert job.complete(any_version=True) == [SECOND]


@pytest.mark.usefixtures("in_this_process")
def test_another_version_scores_again_in_a_backfill_only(
    job: ScoringJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.score(FIRST)
    monkeypatch.setenv("RUN_ID", "another")

    assert job.complete(any_version=True) == [FIRST]
    assert job.complete(any_version=False) == []


@pytest.mark.usefixtures("in_this_process")
def test_rides_that_come_late_are_scored_when_the_interval_is_scored_again(
    job: ScoringJob, tmp_path: Path
) -> None:
    """The interval's rows are replaced: the early ones stay as they were, none is there twice."""
    job.score(FIRST)
    early = rows(job, "FROM predictions ORDER BY ride")
    write(tmp_path / "trips-late.parquet", trips(3))

    job.score(FIRST)

    found = rows(job, "FROM predictions ORDER BY ride")
    assert len(found) == len(early) + 3
    assert set(early) < set(found)
    assert rows(job, "SELECT status, read FROM runs ORDER BY run") == [
        ("complete", 144),
        ("complete", 147),
    ]


def test_a_file_that_is_missing_is_an_error_that_does_not_pass(job: ScoringJob) -> None:
    gone = dataclasses.replace(job, data=("/nowhere/trips-*.parquet",))
    with pytest.raises(BatchError, match=r"no such file: /nowhere/trips-\*\.parquet") as raised:
        gone.score(FIRST)
    assert not isinstance(raised.value, MayPass)


def test_two_that_score_one_interval_at_once_are_kept_apart(job: ScoringJob) -> None:
    with open(f"{job.database}.lock", "a") as held:  # noqa: PTH123  as another run holds it
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(MayPass, match="another program scores into"):
            job.score(FIRST)
    job.score(FIRST)


def test_what_prefect_stores_lacks_the_database_and_its_password(job: ScoringJob) -> None:
    secret = dataclasses.replace(job, database="postgresql://me:secret@host/name")
    parameters = msgspec.json.decode(msgspec.json.encode(secret.parameters()))

    assert "secret" not in str(parameters)
    assert ScoringJob.from_parameters(parameters, secret.database) == secret


def test_an_order_reaches_the_process_as_it_was(job: ScoringJob) -> None:
    order = Order(job, FIRST)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


def test_a_file_takes_one_interval_at_a_time() -> None:
    check_at_most(1, "p.duckdb")
    check_at_most(8, "postgresql://host/name")
    with pytest.raises(InvalidRequest, match="AT_MOST is 2; allowed with a DuckDB file: 1"):
        check_at_most(2, "p.duckdb")


@pytest.mark.usefixtures("in_this_process")
def test_a_backfill_of_what_is_scored_does_nothing(
    job: ScoringJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not even import Prefect."""
    job.score(FIRST)
    options = ["--data", *job.data, "--database", job.database, "--every", "day"]

    status = backfill([*options, "--since", "2025-03-01", "--until", "2025-03-02"])

    assert status == 0
    assert capsys.readouterr().out == "1 intervals, 1 of them scored before\n"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (["--since", "2025-03-05"], "SINCE is 2025-03-05T00:00:00; allowed with EVERY=month: "),
        (["--at-most", "2"], "AT_MOST is 2; allowed with a DuckDB file: 1"),
        (["--database", "mysql://me:secret@host"], "DATABASE is "),
        (["--data", ""], "DATA is not set; allowed: Parquet files, or one DuckDB file"),
    ],
)
def test_an_option_that_is_not_allowed_is_one_line(
    changed: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", "x.parquet", "--since", "2025-03-01", "--until", "2025-04-01"]

    assert backfill([*options, *changed]) == 1

    error = capsys.readouterr().err
    assert error.startswith(f"error: {line}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "options", "line"),
    [
        (backfill, ["--every", "year"], "--every is 'year'; allowed: day, week, month"),
        (schedule, ["--missed", "some"], "--missed is 'some'; allowed: all, latest, none"),
    ],
)
def test_a_choice_that_is_not_allowed_names_those_that_are(
    program: Callable[[list[str]], int],
    options: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        program(["--data", "x.parquet", *options])

    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_schedule_without_a_table_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule(["--data", "", "--cron", "0 3 * * *"]) == 1

    assert capsys.readouterr().err.startswith("error: DATA is not set; allowed: ")
