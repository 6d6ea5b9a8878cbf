"""Make candidates from an archive's labelled rides, and promote those that are better.

New models are trained on trips and labelled rides; or, with --recalibrate, the champions get
another level. The labelled rides of the last 14 days are held out, for the comparison that
`promote` makes.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.arguments import Parser, location, names
from cli.program import program
from cli.step_progress import StepProgress
from lifecycle.archive_query import open_archive_tables
from lifecycle.errors import LifecycleError, RegistryError
from lifecycle.labelled_rides import ArchivedTrips
from lifecycle.promotion import PromotionRequest, promote
from lifecycle.recalibration import Recalibration
from lifecycle.registry import Registry, Versions
from lifecycle.retraining import (
    LEAST_CHANGE,
    SETTLED,
    LabelledRides,
    champion_models,
    labelled_rides,
    recalibrate,
    retrain,
)
from scripts.champion_options import add_champion_options, author, publication
from scripts.event_time_options import add_as_of_option
from scripts.promote import report
from streaming import StreamingError, aws_client
from training.errors import TrainingError
from training.trips import require_files


@program(LifecycleError, TrainingError, StreamingError, OSError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program; its exit status is 1 if there are candidates and none was promoted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.recalibrate and options.data:
        parser.error("DATA is of no use with RECALIBRATE; allowed: one of them")
    data = [Path(name) for name in chain.from_iterable(options.data)]
    require_files(data)
    published = publication(options)
    with StepProgress(Console(stderr=True)) as progress, TemporaryDirectory() as temporary:
        labelled = _labelled(options, Path(temporary), progress)
        versions = _candidates(options, data, labelled, progress)
        if not versions:
            print(f"No level changes by {LEAST_CHANGE:.1%} or more: there is no candidate.")
            return 0
        request = PromotionRequest(author(options), versions, labelled.held_out, options.force)
        outcome = promote(Registry(), published, request, progress)
    return report(outcome, options.publish)


def _labelled(options: argparse.Namespace, folder: Path, progress: Progress) -> LabelledRides:
    task = progress.add_task("read the archive", total=1)
    place = location(options.archive)
    with open_archive_tables(place, partial(aws_client, "s3")) as tables:
        labelled = labelled_rides(ArchivedTrips(tables, options.as_of, SETTLED), folder)
    progress.advance(task)
    return labelled


def _candidates(
    options: argparse.Namespace, data: Sequence[Path], labelled: LabelledRides, progress: Progress
) -> Versions:
    """Return the registered versions of the candidates."""
    try:
        registry = Registry()
    except RegistryError:
        if options.recalibrate:
            raise
        registry = None  # the training creates it
    if registry is not None and not options.force:  # before minutes of training
        labelled.require_held_out(champion_models(registry))
    if registry is None or not options.recalibrate:
        return retrain(labelled, data, options.output, progress)
    learnt, versions = recalibrate(registry, labelled, progress)
    Console(file=sys.stdout).print(_table(learnt))
    return versions


def _table(learnt: Mapping[str, Recalibration]) -> Table:
    """Format what was learnt by the recalibration."""
    table = Table(
        title="A factor for each day, learnt from the days before it",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        title_justify="left",
    )
    table.add_column("")
    for heading in ("next factor", "days", "rides", "RMSE without", "with", "bias"):
        table.add_column(heading, justify="right")
    for target, found in learnt.items():
        errors = (f"{found.before:.3f}", f"{found.after:.3f}", f"{found.bias:+.2f}")
        table.add_row(
            target, f"{found.factor:.4f}", f"{len(found.factors)}", f"{found.rides:,}", *errors
        )
    return table


def _parser() -> Parser:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", metavar="ARCHIVE", help="a folder, or s3://bucket/prefix")
    parser.add_argument(
        "--recalibrate",
        action="store_true",
        help="no new trees: learn a factor on the champions' predictions, day by day",
    )
    parser.add_argument(
        "--data",
        type=names,
        nargs="+",
        default=[],
        metavar="FILE",
        help="parquet files of earlier months' trips, to train on as well",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/bundle"),
        help="the folder of the bundle that is trained (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="promote whatever the comparison says")
    add_as_of_option(parser)
    add_champion_options(parser)
    return parser
