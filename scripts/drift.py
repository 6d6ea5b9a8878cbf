"""How far rides and predictions have moved from what a bundle was trained on: PSI and distances.

With --fail-if, the exit status is 1 if anything has moved so far, or if nothing can be said of it.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.arguments import Parser, location, names
from cli.program import FAILED, program
from cli.step_progress import StepProgress
from lifecycle.archive_query import open_archive_tables
from lifecycle.drift_measures import (
    MOVED,
    MOVED_DISTANCE,
    MOVED_FAR,
    MOVED_UNKNOWN,
    Bound,
    Drift,
    drift_failures,
    measure_drift,
)
from lifecycle.drift_sources import (
    archive_histograms,
    bundle_histograms,
    bundle_models,
    trip_histograms,
)
from lifecycle.errors import LifecycleError
from streaming import StreamingError, aws_client
from training.bundle_io import read_version
from training.errors import TrainingError
from training.histograms import Histograms
from training.trips import require_files

HEADINGS = ("rides", "PSI", "JS", "W1", "not known")


@program(LifecycleError, TrainingError, StreamingError, OSError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.archive) == bool(options.data):
        parser.error("the rides are missing or given twice; allowed: ARCHIVE, or --data")
    data, against = (_files(texts) for texts in (options.data, options.against))
    require_files([*data, *against])
    with StepProgress(Console(stderr=True)) as progress:
        reference = _reference(options.bundle, against, progress)
        current = _current(options, data, progress)
    drifts = measure_drift(reference, current)
    Console(file=sys.stdout).print(_table(drifts) if drifts else "There are no rides to compare.")
    if not options.fail_if:
        return 0
    failures = list(drift_failures(reference, drifts, options.fail_if))
    for failure in failures:
        print(f"Drift: {failure}.")
    return FAILED if failures else 0


def _reference(bundle: Path, against: Sequence[Path], progress: Progress) -> Histograms:
    if against:
        return trip_histograms(against, bundle_models(bundle), progress)
    return bundle_histograms(bundle)


def _current(options: argparse.Namespace, data: Sequence[Path], progress: Progress) -> Histograms:
    if data:
        return trip_histograms(data, bundle_models(options.bundle), progress)
    place = location(options.archive)
    with open_archive_tables(place, partial(aws_client, "s3")) as tables:
        return archive_histograms(tables, read_version(options.bundle))


def _files(texts: Sequence[Sequence[str]]) -> list[Path]:
    return [Path(name) for name in chain.from_iterable(texts)]


def _table(drifts: Sequence[Drift]) -> Table:
    table = Table(
        box=None,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        caption="JS: Jensen-Shannon distance; W1: Wasserstein distance in standard deviations; "
        f"moved: PSI from {MOVED:g}, or W1 from {MOVED_DISTANCE:g} standard "
        f"deviations, or not known {MOVED_UNKNOWN:.0%} more or less; moved far: PSI from "
        f"{MOVED_FAR:g}",
        caption_justify="left",
    )
    table.add_column("", overflow="fold", min_width=4)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=heading != HEADINGS[-1])
    table.add_column("", overflow="fold", min_width=5)
    for drift in drifts:
        table.add_row(
            drift.name.replace("_", " "),
            f"{drift.rides:,}",
            f"{drift.psi:.3f}",
            f"{drift.jensen_shannon:.3f}",
            "" if drift.wasserstein is None else f"{drift.wasserstein:.3f}",
            _unknown(drift),
            drift.verdict,
        )
    return table


def _unknown(drift: Drift) -> str:
    shares = (drift.unknown_before, drift.unknown)
    return " to ".join(f"{share:.1%}" for share in shares) if any(shares) else ""


def _parser() -> Parser:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "archive", nargs="?", metavar="ARCHIVE", help="a folder, or s3://bucket/prefix"
    )
    parser.add_argument(
        "--data",
        type=names,
        nargs="+",
        default=[],
        metavar="FILE",
        help="parquet files of trips in place of an archive",
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        default=Path("models"),
        metavar="FOLDER",
        help="compare with what it was trained on; its predictions are counted too "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--against",
        type=names,
        nargs="+",
        default=[],
        metavar="FILE",
        help="compare with these trips instead",
    )
    parser.add_argument(
        "--fail-if",
        choices=get_args(Bound),
        help="exit status 1 if anything has moved so far, or nothing can be said of it",
    )
    return parser
