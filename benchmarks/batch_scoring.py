"""Rows a second of batch scoring, to DuckDB and to PostgreSQL, beside the course's score.py.

    python -m benchmarks.batch_scoring --data "<months>" --python .venv-score/bin/python

Every contender scores the same rows, from Parquet files, in a process of its own, in turn; the best
of several rounds counts. A PostgreSQL server is started on the cores of its contender. Months are
copied under other names until there are enough rows, so that the start counts little.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import pyarrow.parquet as pq

from batch.databases import open_database
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.scoring import Request, score
from cli.arguments import Parser, names, whole_number

EVERYTHING = Interval.parse("2000-01-01", "2100-01-01")
COURSE = "course's score.py"
CONTENDERS = {
    "DuckDB, one core": 1,
    "DuckDB, two cores": 2,
    "PostgreSQL, one core": 1,
    "PostgreSQL, two cores": 2,
    f"{COURSE}, one core": 1,
    f"{COURSE}, two cores": 2,
}
"""The contenders and their cores; those of a PostgreSQL server are the same."""


def main() -> None:
    """Measure all contenders and print a table."""
    parser = _parser()
    options = parser.parse_args()
    if options.contender:
        found = _measure(options.contender, options.files, options.folder, options.database)
        print(json.dumps(found))
        return
    if not options.data:
        parser.error("--data is not set; allowed: months of the TLC's green-taxi records")
    with TemporaryDirectory(prefix="batch-scoring-") as folder:
        files = _enough(options.data, options.rows, Path(folder))
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        _save_forest(options.data[:1], Path(folder) / "forest")
        print(f"{rows:,} rows in {len(files)} files; best of {options.rounds} rounds")
        best: dict[str, dict[str, float]] = {}
        for _ in range(options.rounds):
            for contender, cores in CONTENDERS.items():
                found = _run(contender, cores, files, Path(folder), options.python)
                print(f"{contender}: {rows / found['seconds']:,.0f} rows/s", flush=True)
                faster = min(best.get(contender, found), found, key=lambda each: each["seconds"])
                best[contender] = faster
    _print(best, rows)


def _print(best: dict[str, dict[str, float]], rows: int) -> None:
    print("\n| | rows/s | read | check and predict | write | beside the course's |")
    print("|---|---|---|---|---|---|")
    for contender, found in best.items():
        cores = contender.rpartition(", ")[2]
        ratio = best[f"{COURSE}, {cores}"]["seconds"] / found["seconds"]
        steps = " | ".join(
            f"{found[name] / rows * 1e6:.2f} µs" for name in ("read", "predict", "write")
        )
        print(f"| {contender} | {rows / found['seconds']:,.0f} | {steps} | {ratio:.1f} |")


def _run(
    contender: str, cores: int, files: Sequence[Path], folder: Path, python: str
) -> dict[str, float]:
    """Measure a contender in a process that has so many cores."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[-cores:])  # its children inherit it, the server too
    try:
        with _database(contender, folder) as database:
            python = sys.executable if contender.startswith(COURSE) else python
            command = (python, "-m", "benchmarks.batch_scoring", "--contender", contender)
            named = ("--database", database, "--folder", str(folder), "--files", *map(str, files))
            result = subprocess.run(  # noqa: S603  this module
                [*command, *named], stdout=subprocess.PIPE, check=True, text=True
            )
    finally:
        os.sched_setaffinity(0, own)
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


@contextmanager
def _database(contender: str, folder: Path) -> Iterator[str]:
    if contender.startswith("PostgreSQL"):
        from tests.batch.postgresql_server import running_server  # noqa: PLC0415  needs pytest

        with running_server(durable=True) as url:
            yield url
        return
    path = folder / "predictions.duckdb"
    path.unlink(missing_ok=True)
    yield str(path)


def _measure(
    contender: str, files: Sequence[Path], folder: Path, database: str
) -> dict[str, float]:
    cores = len(os.sched_getaffinity(0))
    if contender.startswith(COURSE):
        return _course(files, folder, cores)
    request = Request(RidesTable.named(files), EVERYTHING, folder / "staging", cores)
    with open_database(database, cores) as predictions:
        report = score(request, predictions)
    counts = report.counts
    return {
        "seconds": report.seconds,
        "read": counts.read_seconds,
        "predict": counts.predict_seconds,
        "write": counts.write_seconds + report.commit_seconds,
    }


def _course(files: Sequence[Path], folder: Path, cores: int) -> dict[str, float]:
    """Score as the course's `score.py` does: pandas, dicts, one forest, a Parquet file a month."""
    import mlflow  # noqa: PLC0415  only this contender's process pays for these
    import pandas as pd  # noqa: PLC0415

    seconds = {"read": 0.0, "predict": 0.0, "write": 0.0}
    started = last = perf_counter()

    def lap(name: str) -> None:
        nonlocal last
        now = perf_counter()
        seconds[name] += now - last
        last = now

    model = mlflow.sklearn.load_model(str(folder / "forest"))
    model[-1].n_jobs = cores
    for file in files:
        frame = pd.read_parquet(file)
        frame["duration"] = frame.lpep_dropoff_datetime - frame.lpep_pickup_datetime
        frame["duration"] = frame.duration.dt.total_seconds() / 60
        frame["ride_id"] = [str(uuid.uuid4()) for _ in range(len(frame))]
        lap("read")
        zones = ["PULocationID", "DOLocationID"]
        frame[zones] = frame[zones].astype(str)
        frame["PU_DO"] = frame["PULocationID"] + "_" + frame["DOLocationID"]
        predicted = model.predict(frame[["PU_DO", "trip_distance"]].to_dict(orient="records"))
        lap("predict")
        kept = ["ride_id", "lpep_pickup_datetime", "PULocationID", "DOLocationID"]
        result = frame[kept].copy()
        result["actual_duration"] = frame["duration"]
        result["predicted_duration"] = predicted
        result["diff"] = result["actual_duration"] - result["predicted_duration"]
        result["model_version"] = "1"
        result.to_parquet(folder / "course.parquet", engine="pyarrow", index=False)
        lap("write")
    return {"seconds": perf_counter() - started, **seconds}


def _save_forest(months: Sequence[Path], folder: Path) -> None:
    """Fit the course's forest to a month, and save it with MLflow."""
    import mlflow  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from training.baselines import BASELINES, fit_baseline  # noqa: PLC0415
    from training.trips import inputs, read_trips  # noqa: PLC0415

    forest = next(each for each in BASELINES if each.name == "random forest")
    with Progress(disable=True) as progress:
        trips = read_trips(months, progress)
    pipeline = fit_baseline(forest, inputs(trips), trips["duration"].to_numpy())
    mlflow.sklearn.save_model(pipeline, str(folder), serialization_format="cloudpickle")


def _enough(months: Sequence[Path], rows: int, folder: Path) -> list[Path]:
    """Copy months, each under another name, until there are so many rows."""
    files: list[Path] = []
    found = 0
    while found < rows:
        month = months[len(files) % len(months)]
        files.append(Path(shutil.copy(month, folder / f"{month.stem}-{len(files)}.parquet")))
        found += pq.read_metadata(month).num_rows
    return files


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=_paths, default=[], metavar="FILES", help="months")
    parser.add_argument("--rows", type=whole_number, default=1_500_000)
    parser.add_argument("--rounds", type=whole_number, default=3)
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="for batch scoring: that of `make score` has no pandas, which pyarrow would import",
    )
    for hidden in ("--contender", "--database"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--files", type=Path, nargs="+", help=argparse.SUPPRESS)
    return parser


def _paths(text: str) -> list[Path]:
    return [Path(name) for name in names(text)]


if __name__ == "__main__":
    main()
