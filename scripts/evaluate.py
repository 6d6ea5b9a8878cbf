"""Evaluate a model bundle on months of trips, compared with two baselines."""

import argparse
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from cli.arguments import Parser, names
from cli.program import program
from cli.step_progress import StepProgress
from training.bundle_io import trained_on
from training.download import TripData
from training.errors import TrainingError, TripDataError
from training.evaluation import as_range_table, as_table, evaluate_bundle, training_files
from training.trips import month_of, require_files


@program(TrainingError)
def main(argv: list[str] | None = None, *, source: TripData | None = None) -> int:
    """Run the program and return its exit status.

    Args:
        argv: The command line.
        source: Provides the months that are not next to the data; default: the TLC's site.
    """
    options = _parser().parse_args(argv)
    options.data = [Path(name) for name in chain.from_iterable(options.data)]
    options.train = [Path(name) for name in chain.from_iterable(options.train)]
    require_files([*options.data, *options.train])
    months = trained_on(options.bundle)
    with StepProgress(Console(stderr=True)) as progress:
        train, missing = _training_files(
            options, months, source or TripData(options.cache), progress
        )
        evaluations = evaluate_bundle(options.bundle, options.data, train, progress)
    if leaked := set(months) & {month_of(path) for path in options.data}:
        months_seen = ", ".join(sorted(leaked))
        print(f"The bundle was trained on {months_seen}, so its metrics are too optimistic.")
    if missing:
        print(f"The baselines are skipped, there are no trips to train them on: {missing}")
    for evaluation in evaluations:
        Console().print(as_table(evaluation))
        if evaluation.ranges:
            Console().print(as_range_table(evaluation))
    return 0


def _training_files(
    options: argparse.Namespace, months: list[str], source: TripData, progress: Progress
) -> tuple[list[Path], str | None]:
    """Return the files to train the baselines on, or none and the reason."""
    if options.train:
        return options.train, None
    try:
        return training_files(months, options.data, source, progress), None
    except TripDataError as error:
        return [], str(error)


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--data",
        type=names,
        nargs="+",
        required=True,
        metavar="FILE",
        help="parquet files to evaluate on",
    )
    parser.add_argument(
        "--bundle", type=Path, default=Path("models"), help="the bundle's folder (default: models)"
    )
    parser.add_argument(
        "--train",
        type=names,
        nargs="+",
        default=[],
        metavar="FILE",
        help="parquet files to train the baselines on (default: the bundle's months, found "
        "next to --data, in the cache, or downloaded)",
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("data"), help="folder of downloads (default: data)"
    )
    return parser
