"""The schedule and the backfill with Prefect itself, which has an environment of its own."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.batch.trip_files import trips, write

pytest.importorskip("prefect", reason="`make schedule-test` has it")
pytestmark = pytest.mark.rides

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
TWO_DAYS = 288

CRONS = ["0 3 * * *", "*/5 8-18 * * MON-FRI", "@daily", "0 0 29 2 *"]
NO_CRONS = ["", "every day", "61 3 * * *", "0 3 * *", "H 3 * * *", "0 0 31 2 *", "0 3 * * 8"]

# One process for all: Prefect's temporary server takes a while to start.
PROGRAM = """
import json, os, sys
from pathlib import Path
from batch.prefect_environment import prepare_environment

folder = Path(sys.argv[1])
prepare_environment(folder / "prefect")
from zoneinfo import ZoneInfo
from prefect.runtime import flow_run
from prefect.types import DateTime
from batch import prefect_flows as flows
from batch.cron import is_cron
from batch.interval import Interval
from batch.missed_intervals import Every, split
from batch.scoring_job import ScoringJob

def job(database, *data):
    files = tuple(str(folder / name) for name in data)
    return ScoringJob(files, str(folder / database), str(folder / f"{database}.scoring"))

def lines(outcomes):
    return [[each.line, each.failed] for each in outcomes]

days = split(Interval.parse("2025-03-01", "2025-03-03"), Every.DAY)
found = {}
found["held"] = lines(flows.score_intervals(job("held.duckdb", "trips.parquet"), days, 1, [2] * 20))
found["gone"] = lines(flows.score_intervals(job("gone.duckdb", "none.parquet"), days[:1], 1, [60]))
scheduled = job("scheduled.duckdb", "trips.parquet")
os.environ[flows.DATABASE] = scheduled.database
# When the run was scheduled, in place of a wait for it.
at = DateTime(2025, 3, 3, 3, tzinfo=ZoneInfo("America/New_York"))
flow_run.FIELDS["scheduled_start_time"] = lambda: at
for missed in ("latest", "all"):
    flows.score_scheduled(scheduled.parameters(), "day", missed, "2025-03-01", 0.0, 1)
    found[missed] = scheduled.complete(any_version=True)
found["crons"] = [cron for cron in json.loads(sys.argv[2]) if is_cron(cron)]
today = job("today.duckdb", "trips.parquet")
os.environ[flows.DATABASE] = today.database
flow_run.FIELDS["scheduled_start_time"] = lambda: DateTime.now("America/New_York")
flows.score_scheduled(today.parameters(), "day", "latest", None, 0.0, 1)
print(json.dumps(found, default=str))
"""


def environment(folder: Path, level: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "ORT_DISABLE_TELEMETRY": "1",  # as the Makefile sets it
        "PREFECT_LOGGING_LEVEL": level,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, list[Sequence[object]]]:
    """Run the program; for its first tries, another program holds the first database's lock."""
    write(folder / "trips.parquet", trips(TWO_DAYS))
    with (folder / "held.duckdb.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), json.dumps([*CRONS, *NO_CRONS])],
            cwd=ROOT,
            env=environment(folder, level="INFO"),  # it says when a try fails
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert done.stderr is not None
            lines: list[str] = []
            while not lines or ("another program scores into" not in lines[-1] and lines[-1]):
                lines.append(done.stderr.readline())
            fcntl.flock(held, fcntl.LOCK_UN)
            out, rest = done.communicate()
            assert done.returncode == 0, "".join(lines) + rest
        finally:
            done.kill()
            done.wait()
    answer: dict[str, list[Sequence[object]]] = json.loads(out.splitlines()[-1])
    return answer


def test_an_interval_whose_database_is_in_use_is_tried_again(
    found: dict[str, list[Sequence[object]]], folder: Path
) -> None:
    counts = "read 144 = predicted 144 + rejected 0 + skipped 0"
    assert [failed for _, failed in found["held"]] == [False, False]
    assert all(counts in str(line) for line, _ in found["held"])
    with duckdb.connect(str(folder / "held.duckdb"), read_only=True) as db:
        assert db.execute("SELECT count(*) FROM predictions").fetchall() == [(TWO_DAYS,)]


def test_an_error_that_does_not_pass_is_not_tried_again(
    found: dict[str, list[Sequence[object]]],
) -> None:
    """Else the program above would have waited a minute."""
    ((line, failed),) = found["gone"]
    assert failed
    assert "failed: no such file: " in str(line)


def test_a_run_scores_by_its_scheduled_time_and_the_policy(
    found: dict[str, list[Sequence[object]]],
) -> None:
    """The run was scheduled long ago: it is not the latest."""
    assert found["latest"] == []
    assert found["all"] == [
        "[2025-03-01T00:00:00, 2025-03-02T00:00:00)",
        "[2025-03-02T00:00:00, 2025-03-03T00:00:00)",
    ]


@pytest.mark.usefixtures("found")
def test_a_run_of_today_scores_its_own_interval(folder: Path) -> None:
    """There are no rides in it; the run is complete."""
    with duckdb.connect(str(folder / "today.duckdb"), read_only=True) as db:
        assert db.execute("SELECT status, read FROM runs").fetchall() == [("complete", 0)]


def test_a_cron_that_is_none_or_never_comes_is_known(
    found: dict[str, list[Sequence[object]]],
) -> None:
    assert found["crons"] == CRONS


def schedule(folder: Path, cron: str, level: str) -> subprocess.Popen[str]:
    """Start the program in a folder of its own, where it keeps what Prefect stores."""
    options = ("--data", str(folder / "trips.parquet"), "--port", "0")
    return subprocess.Popen(
        [sys.executable, "-m", "scripts", "schedule", "--cron", cron, *options],
        cwd=folder,
        env={**environment(folder, level), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_wrong_cron_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    out, error = schedule(tmp_path, "0 0 31 2 *", "INFO").communicate()

    assert out == ""
    assert error == (
        "error: CRON is '0 0 31 2 *'; allowed: five fields for a time that comes, such as "
        '"0 3 * * *"\n'
    )
    assert list(tmp_path.rglob("server.log")) == []


def test_sigterm_ends_a_schedule_without_a_word_of_python(tmp_path: Path) -> None:
    with schedule(tmp_path, "0 3 1 1 *", "DEBUG") as started:
        try:
            assert started.stderr is not None
            lines = [started.stderr.readline()]
            while lines[-1] and "scheduled flow runs" not in lines[-1]:
                lines.append(started.stderr.readline())
            started.terminate()
            started.terminate()  # as timeout and make do
            out, rest = started.communicate()
        finally:
            started.kill()

    error = "".join(lines) + rest
    assert started.returncode == 0, error
    assert "Traceback" not in error
    assert "Warning" not in error
    assert "All deployments have been paused" in error
    assert "until Ctrl-C" in out.splitlines()[-1]


@pytest.mark.usefixtures("found")
def test_prefect_writes_nothing_to_the_users_home(folder: Path) -> None:
    assert not (folder / "home").exists()
    assert (folder / "prefect").is_dir()
