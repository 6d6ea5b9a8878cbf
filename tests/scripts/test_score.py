from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.score import main
from tests.batch.scored_rows import query
from tests.batch.trip_files import trip, trips, write

pytestmark = pytest.mark.rides

ROOT = Path(__file__).resolve().parents[2]
MARCH = ["--since", "2025-03-01", "--until", "2025-04-01"]


@pytest.fixture
def month(tmp_path: Path) -> Path:
    return write(tmp_path / "my march.parquet", [*trips(300), trip(1, trip_distance=-1.0)])


def test_it_says_what_became_of_the_rows(
    month: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(tmp_path / "predictions.duckdb")

    assert main(["--data", str(month), *MARCH, "--database", database]) == 0

    model, counts, speed, into = capsys.readouterr().out.splitlines()
    assert model.startswith("ride_duration_tip_prediction_model ")
    assert counts == "read 301 = predicted 300 + rejected 1 + skipped 0"
    assert re.fullmatch(
        r"[\d,]+ rows/s in [\d.]+ s; a row took [\d.]+ µs to read, [\d.]+ µs to check and predict, "
        r"[\d.]+ µs to write",
        speed,
    )
    assert into == f"into {database}"
    assert query(database, "SELECT count(*) FROM predictions") == [(300,)]


def test_a_dry_run_writes_nothing(
    month: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "predictions.duckdb"

    assert main(["--data", str(month), *MARCH, "--database", str(database), "--dry-run"]) == 0

    shown = capsys.readouterr().out
    assert "rejected: ride.trip_distance is -1.0; allowed: a number from 0 to 1000" in shown
    assert shown.endswith("into nowhere: a dry run\n")
    assert not database.exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--since", "2025-04-02"], "UNTIL is 2025-04-01T00:00:00; allowed: a time after SINCE"),
        (["--database", "postgresql://a:s3cret@b@c/d"], "DATABASE is 'postgresql://***@c/d' with"),
        (["--database", "x.txt"], "DATABASE is 'x.txt'; allowed: a DuckDB file"),
        (["--data", "missing.parquet"], "no such file: missing.parquet"),
        (["--workers", "0"], "--workers is '0'; allowed: 1, 2, 3, ..."),
        (["--table", "trips"], "TABLE is 'trips'; allowed with a DuckDB file only"),
    ],
)
def test_a_bad_option_is_an_error_of_one_line(
    changed: list[str], message: str, month: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["--data", str(month), *MARCH, *changed])
    except SystemExit as ended:
        status = int(str(ended.code))

    assert status in {1, 2}
    shown = [
        line for line in capsys.readouterr().err.splitlines() if not line.startswith("score [")
    ]
    assert len(shown) == 1
    assert shown[0].startswith(f"error: {message}")


def test_a_full_disk_is_an_error_of_one_line_and_leaves_the_rows_from_before(
    month: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands for the full disk."""
    database = str(tmp_path / "predictions.duckdb")
    assert main(["--data", str(month), *MARCH, "--database", database]) == 0
    large = write(tmp_path / "large.parquet", trips(4000))

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "scripts", "score", "--data", f"'{month}' {large}", *MARCH),
            *("--database", database),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )

    assert ended.returncode == 1
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("score [")]
    assert len(lines) == 1, ended.stderr
    assert "File too large" in lines[0]
    assert query(database, "SELECT count(*) FROM predictions") == [(300,)]


MEMORY = """
import re, sys
from pathlib import Path
from scripts.score import main
main(sys.argv[1:])
status = Path("/proc/self/status").read_text()
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says what was resident")
def test_memory_does_not_grow_with_the_interval(tmp_path: Path) -> None:
    """Three times the rides take less than a quarter more: DuckDB's own memory has a bound."""
    rows = trips(250_000)
    one = write(tmp_path / "a.parquet", rows, group=125_000)
    files = [one, *(tmp_path / f"{name}.parquet" for name in "bcdef")]
    for other in files[1:]:
        os.link(one, other)
    peaks = []
    for count in (2, 6):
        ended = subprocess.run(
            [
                *(sys.executable, "-c", MEMORY, "--data", " ".join(map(str, files[:count]))),
                *("--since", "2025-01-01", "--until", "2035-01-01"),
                *("--database", str(tmp_path / f"{count}.duckdb")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert f"read {250_000 * count:,} = " in ended.stdout
        peaks.append(int(ended.stdout.splitlines()[-1]))

    small, large = peaks
    assert large < 1.25 * small, peaks
