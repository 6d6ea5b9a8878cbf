"""The churn example: weekly scores by another model through `batch`, and the marketing list."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import duckdb
import numpy as np
import pytest

from examples.churn.campaign import HELD_OUT, TRAINED, auc, train
from examples.churn.customers import HORIZON, WEEKS, rides, week, write_weekly
from examples.churn.model import EXAMPLES, Churn, load_model
from streaming import InvalidEvent, SettingsError

ROOT = Path(__file__).parents[2]
CUSTOMERS, CONTACTS, SEED = 400, 25, 3


def run(folder: Path) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "examples.churn", "--folder", str(folder)),
            *("--customers", str(CUSTOMERS), "--contacts", str(CONTACTS), "--seed", str(SEED)),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ORT_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("churn")


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    return run(folder)


def listed(folder: Path) -> list[dict[str, str]]:
    with (folder / "marketing-list.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_list_has_the_likeliest_of_the_newest_week(folder: Path, output: str) -> None:
    assert f"{CONTACTS} customers to write to" in output
    with duckdb.connect(str(folder / "churn.duckdb"), read_only=True) as db:
        found = db.execute(
            "SELECT ride, CAST(prediction->>'churn' AS DOUBLE) AS churn FROM predictions "
            "WHERE since = ? ORDER BY churn DESC, ride LIMIT ?",
            [week(WEEKS), CONTACTS],
        ).fetchall()
    assert [(row["customer"], float(row["churn"])) for row in listed(folder)] == found
    assert len(found) == CONTACTS


def test_the_scores_of_held_out_weeks_are_better_than_chance(output: str) -> None:
    (found,) = re.findall(r"AUC ([0-9.]+)", output)
    assert 0.75 < float(found) < 1
    assert "0 rejected" in output


@pytest.mark.usefixtures("output")
def test_a_second_run_leaves_the_same_list_and_scores(folder: Path) -> None:
    before = listed(folder)
    query = "FROM predictions ORDER BY ALL"
    with duckdb.connect(str(folder / "churn.duckdb"), read_only=True) as db:
        scores = db.execute(query).fetchall()

    run(folder)

    assert listed(folder) == before
    with duckdb.connect(str(folder / "churn.duckdb"), read_only=True) as db:
        assert db.execute(query).fetchall() == scores


def test_no_label_looks_into_trained_and_held_out_weeks() -> None:
    assert TRAINED[-1] + HORIZON <= HELD_OUT[0]
    assert HELD_OUT[-1] + HORIZON <= WEEKS


def test_what_is_known_and_what_happened_are_counted_from_the_rides(tmp_path: Path) -> None:
    """Against a recount in Python, for every customer of one week."""
    write_weekly(tmp_path / "weekly.parquet", 60, SEED)
    with duckdb.connect() as db:
        found = db.execute(
            "SELECT customer, weeks_since_ride, rides_4_weeks, rides_12_weeks, weeks_known, "
            "churned FROM read_parquet(?) WHERE week = ? ORDER BY customer",
            [str(tmp_path / "weekly.parquet"), week(40)],
        ).fetchall()
    of: defaultdict[str, list[int]] = defaultdict(list)
    table = rides(60, SEED).to_pydict()
    for customer, number in zip(table["customer"], table["ride_week"], strict=True):
        of[customer].append(number)
    expected = []
    for customer, weeks in sorted(of.items()):
        before = [number for number in weeks if number < 40]
        last_12 = sum(number >= 28 for number in before)
        if last_12:
            last_4 = sum(number >= 36 for number in before)
            churned = not any(40 <= number < 44 for number in weeks)
            known = (40 - max(before), last_4, last_12, 40 - min(before), churned)
            expected.append((customer, *known))
    assert found == expected
    assert len(found) > 20


def test_weights_of_a_week_do_not_depend_on_what_came_later(tmp_path: Path) -> None:
    write_weekly(tmp_path / "weekly.parquet", 200, SEED)
    with duckdb.connect() as db:
        db.execute(
            f"COPY (FROM read_parquet('{tmp_path}/weekly.parquet') WHERE week <= $last) "
            f"TO '{tmp_path}/early.parquet' (FORMAT parquet)",
            {"last": week(TRAINED[-1])},
        )
    assert np.array_equal(train(tmp_path / "weekly.parquet"), train(tmp_path / "early.parquet"))


def test_the_chance_of_a_better_rank_counts_ties_half() -> None:
    positive = np.array([True, True, False, False])
    assert auc(np.array([0.9, 0.8, 0.2, 0.1]), positive) == 1
    assert auc(np.array([0.5, 0.5, 0.5, 0.5]), positive) == 0.5
    assert auc(np.array([0.9, 0.1, 0.5, 0.5]), positive) == 0.5


def test_a_bad_customer_is_named(tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    weights.write_text(json.dumps({"weights": [0.0] * 6}))
    model = Churn(weights)
    assert [p.value["churn"] for p in model.predict([model.decode(EXAMPLES[0], 0.0)])] == [0.5]  # type: ignore[list-item]
    with pytest.raises(InvalidEvent, match="rides_4_weeks"):
        model.decode(EXAMPLES[0].replace(b'"rides_4_weeks": 1', b'"rides_4_weeks": -1'), 0.0)
    with pytest.raises(SettingsError, match="MODEL_LOCATION"):
        load_model({"MODEL_LOCATION": "/nowhere"}, object)
