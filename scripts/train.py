"""Train both models on months of trips and write the bundle that a function loads."""

import sys
from itertools import chain
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.arguments import Parser, names
from cli.program import program
from cli.step_progress import StepProgress
from training.bundle_io import read_metrics
from training.download import TripData
from training.errors import TrainingError
from training.training_run import TrainingConfig, train
from training.trips import require_files


@program(TrainingError)
def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(argv)
    data = TripData(options.cache)
    given, validate, test = (
        list(chain.from_iterable(texts or []))
        for texts in (options.data, options.validate, options.test)
    )
    evaluated = (name for name in (*validate, *test) if _is_file(name))
    require_files([Path(name) for name in (*given, *evaluated)])
    console = Console(file=sys.stdout)  # this file, also while scikit-learn has another one
    with StepProgress(console) as progress:
        config = TrainingConfig(
            train=list(map(Path, given)) or data.files(options.months, progress),
            validate=_files(validate, data, progress),
            test=_files(test, data, progress),
            output=options.output,
        )
        version = train(config, progress)
    console.print(_table(read_metrics(options.output)))
    print(f"wrote version {version} to {options.output}")
    return 0


def _table(metrics: dict[str, dict[str, float]]) -> Table:
    """Return a bundle's metrics as a table."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("")
    for heading in ("RMSE", "MAE", "R²", "trips"):
        table.add_column(heading, justify="right")
    for target, values in metrics.items():
        for part in ("validation", "validation_noisy", "test", "test_noisy"):
            if f"{part}_rmse" in values:
                row = [f"{values[f'{part}_{name}']:.2f}" for name in ("rmse", "mae", "r2")]
                trips = values[f"{part.removesuffix('_noisy')}_trips"]
                table.add_row(f"{target}, {part.replace('_', ', ')}", *row, f"{trips:,.0f}")
    return table


def _files(names: list[str], data: TripData, progress: Progress) -> list[Path]:
    """Return the files that are given by path or by month."""
    return [Path(name) if _is_file(name) else data.files([name], progress)[0] for name in names]


def _is_file(name: str) -> bool:
    return name.endswith(".parquet")


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--months",
        type=lambda text: [month.strip() for month in text.split(",")],
        metavar="YYYY-MM,…",
        help="months to train on; downloaded once",
    )
    source.add_argument(
        "--data", type=names, nargs="+", metavar="FILE", help="parquet files to train on"
    )
    parser.add_argument(
        "--validate",
        type=names,
        nargs="+",
        default=[],
        metavar="MONTH|FILE",
        help="months to validate on (default: the last fifth of the trips, by time)",
    )
    parser.add_argument(
        "--test",
        type=names,
        nargs="+",
        default=[],
        metavar="MONTH|FILE",
        help="months to test the final models on",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/bundle"),
        help="the bundle's folder (default: %(default)s)",
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("data"), help="folder of downloads (default: data)"
    )
    return parser
