"""Weekly churn scores through `batch`, with another model, and the marketing list they make.

`make example-churn` runs it on this machine.
"""

import csv
import json
import os
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from batch.databases import open_database
from batch.errors import BatchError
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.scoring import Request, score
from batch.slice_worker import load
from cli.arguments import Parser, seed, whole_number
from cli.program import program
from examples.churn.customers import WARM_UP, WEEKS, week, write_weekly
from examples.churn.model import FEATURES, design, probabilities
from streaming import StreamingError

TRAINED = range(WARM_UP, 40)
"""Weeks that the model is trained on."""

HELD_OUT = range(44, WEEKS - 3)
"""Weeks that it is measured on, with four between, so that no label is shared."""

NEWEST = WEEKS
"""The week of the list; nobody knows yet who stays."""

STEPS = 20
"""Of Newton's method; it stands still after ten."""

Vector = npt.NDArray[np.float64]


@program(BatchError, StreamingError, OSError)
def main(argv: list[str] | None = None) -> int:
    """Run the example and return its exit status."""
    parser = Parser(prog="python -m examples.churn", description="A list of who may stop riding.")
    parser.add_argument("--customers", type=whole_number, default=3000, metavar="N")
    parser.add_argument("--contacts", type=whole_number, default=100, metavar="N")
    parser.add_argument("--seed", type=seed, default=1, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path("build/churn"))
    options = parser.parse_args(argv)
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    weekly, database = folder / "weekly.parquet", folder / "churn.duckdb"
    write_weekly(weekly, options.customers, options.seed)
    weights = folder / "weights.json"
    weights.write_text(json.dumps({"weights": train(weekly).tolist()}))
    os.environ["MODEL_LOCATION"] = str(weights)
    for number in (*HELD_OUT, NEWEST):
        print(score_week(weekly, database, number))
    print(quality(weekly, database, options.contacts))
    listed = write_list(weekly, database, folder / "marketing-list.csv", options.contacts)
    print(f"{listed} customers to write to, of the week of {week(NEWEST):%Y-%m-%d}: {folder}/")
    return 0


def train(weekly: Path) -> Vector:
    """Fit the weights to the trained weeks: logistic regression with a small ridge, by Newton."""
    columns = ", ".join(FEATURES)
    with duckdb.connect() as db:
        rows = db.execute(
            f"SELECT {columns}, churned FROM read_parquet($file) "  # noqa: S608
            "WHERE week BETWEEN $first AND $last",
            {"file": str(weekly), "first": week(TRAINED[0]), "last": week(TRAINED[-1])},
        ).fetchall()
    values = np.array(rows, np.float64)
    known, churned = design(values[:, :-1]), values[:, -1]
    weights = np.zeros(known.shape[1])
    for _ in range(STEPS):
        found = probabilities(known, weights)
        gradient = known.T @ (found - churned) + weights
        curvature = (known * (found * (1 - found))[:, None]).T @ known + np.eye(len(weights))
        weights -= np.linalg.solve(curvature, gradient)
    return weights


def score_week(weekly: Path, database: Path, number: int) -> str:
    """Score the customers of a week, as `make score` does."""
    request = Request(
        RidesTable.named([weekly]),
        Interval(week(number), week(number + 1)),
        database.with_suffix(".scoring"),
        key="customer",
        time="week",
    )
    with open_database(str(database)) as opened:
        counts = score(request, opened).counts
    return (
        f"week of {week(number):%Y-%m-%d}: {counts.predicted:,} scored, {counts.rejected} rejected"
    )


def quality(weekly: Path, database: Path, contacts: int) -> str:
    """Return how good the held-out weeks' scores were, beside a rule of thumb."""
    first, last = week(HELD_OUT[0]), week(HELD_OUT[-1])
    rows = _scored(weekly, database, first, last)
    churned = np.array([row[2] for row in rows], bool)
    found = np.array([row[1] for row in rows])
    silent = np.array([row[3] for row in rows], np.float64)
    top: list[bool] = []
    for start in sorted({row[4] for row in rows}):
        of_week = sorted((row for row in rows if row[4] == start), key=lambda row: -row[1])
        top += [bool(row[2]) for row in of_week[:contacts]]
    return (
        f"held-out weeks: {len(rows):,} scores, {churned.mean():.1%} churned, "
        f"mean score {found.mean():.1%}; AUC {auc(found, churned):.3f} "
        f"(weeks since the last ride alone: {auc(silent, churned):.3f}); of the first {contacts} "
        f"of each week {np.mean(top):.0%} churned"
    )


def write_list(weekly: Path, database: Path, path: Path, contacts: int) -> int:
    """Write the customers of the newest week who are likeliest to stop, and return how many."""
    rows = _scored(weekly, database, week(NEWEST), week(NEWEST))[:contacts]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "churn", "weeks_since_ride"])
        writer.writerows((customer, churn, silent) for customer, churn, _, silent, _ in rows)
    return len(rows)


def auc(scores: Vector, positive: npt.NDArray[np.bool_]) -> float:
    """Return the chance that a positive has a higher score than a negative; ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def _scored(
    weekly: Path, database: Path, first: datetime, last: datetime
) -> list[tuple[str, float, bool, int, datetime]]:
    """Return customer, score, what happened, weeks since the last ride, week; likeliest first."""
    from_scores = """
        SELECT customer, CAST(prediction->>'churn' AS DOUBLE) AS churn, churned,
            weeks_since_ride, week
        FROM predictions JOIN read_parquet($weekly) ON ride = customer AND since = week
        WHERE version = $version AND week BETWEEN $first AND $last
        ORDER BY churn DESC, customer
    """
    values = {"weekly": str(weekly), "version": load().version, "first": first, "last": last}
    with duckdb.connect(str(database), read_only=True) as db:
        return db.execute(from_scores, values).fetchall()
