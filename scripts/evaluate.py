"""Measure a model bundle on months of trips, beside the usual baselines."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.bundle import trained_on
from training.download import TripData
from training.errors import TrainingError
from training.evaluate import as_table, evaluate, training_files
from training.trips import month_of


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        with Progress(console=Console(stderr=True)) as progress:
            train = options.train or training_files(
                trained_on(options.bundle), options.data, TripData(options.cache), progress
            )
            learnt = set(trained_on(options.bundle)) & {month_of(path) for path in options.data}
            evaluations = evaluate(options.bundle, options.data, train, progress)
    except TrainingError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    if learnt:
        print(f"The bundle learnt from {', '.join(sorted(learnt))}: it looks better than it is.")
    for evaluation in evaluations:
        Console().print(as_table(evaluation))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="parquet files to measure on",
    )
    parser.add_argument(
        "--bundle", type=Path, default=Path("models"), help="the bundle's folder (default: models)"
    )
    parser.add_argument(
        "--train",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="parquet files for the baselines to learn from (default: the bundle's months: "
        "beside --data, in the cache, or downloaded)",
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("data"), help="folder of downloads (default: data)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
