"""Compare two versions' predictions of the same rides on what really happened."""

import sys
from functools import partial
from typing import get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.arguments import Parser, location
from cli.printable import printable
from cli.program import program
from lifecycle.archive_query import open_archive_tables
from lifecycle.errors import LifecycleError
from lifecycle.gate import MIN_DAYS, MIN_RIDES, SLICE_RIDES
from lifecycle.prediction_quality import COMPLETE
from lifecycle.scored_predictions import Scope, TargetName, score
from lifecycle.version_comparison import (
    TOO_LITTLE,
    VersionComparison,
    compare_versions,
    two_versions,
)
from scripts.event_time_options import add_event_time_options
from streaming import StreamingError, aws_client


@program(LifecycleError, StreamingError, OSError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    scope = Scope(options.target, options.since, options.as_of)
    with open_archive_tables(location(options.archive), partial(aws_client, "s3")) as tables:
        a, b = two_versions(tables, options.a, options.b)
        scored = score(tables, scope)
        comparison = compare_versions(scored, a, b)
    console = Console(file=sys.stdout)
    for line in _head(comparison, scored.target, scored.unit):
        console.print(Text(printable(line)))
    if comparison.parts:
        console.print(_table(comparison))
        console.print(_NOTE, markup=False, highlight=False)
    return 0


_NOTE = (
    "B - A: 95 % interval of the difference of the mean squared errors, from resampled days. "
    "Of twenty slices without a difference, one is expected to show one."
)


def _head(comparison: VersionComparison, target: str, unit: str) -> list[str]:
    both = (
        f"{comparison.pairs:,} rides, picked up at least {COMPLETE} minutes ago, have a prediction "
        f"of the {target} by both"
    )
    lines = [f"A: {comparison.a}", f"B: {comparison.b}", both]
    if not comparison.parts:
        return [*lines, "None of them is scored: too little to tell"]
    overall = comparison.parts[0]
    found = overall.difference
    lines.append(
        f"{found.rides:,} are scored: RMSE {found.champion:.3f} of A and {found.candidate:.3f} of "
        f"B, in {unit}: {overall.verdict}"
    )
    if found.rides < MIN_RIDES or overall.days < MIN_DAYS:
        lines.append(
            f"There are {found.rides:,} rides on {overall.days} days; at least {MIN_RIDES:,} on "
            f"{MIN_DAYS} days are needed, and {SLICE_RIDES} in a slice"
        )
    return [*lines, ""]


def _table(comparison: VersionComparison) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("", overflow="fold", min_width=4)
    for heading in ("rides", "A", "B", "B - A"):
        table.add_column(heading, justify="right", no_wrap=heading != "B - A")
    table.add_column("", overflow="fold", min_width=6)
    for part in comparison.parts:
        found = part.difference
        table.add_row(
            found.name,
            f"{found.rides:,}",
            f"{found.champion:.2f}",
            f"{found.candidate:.2f}",
            "" if part.verdict == TOO_LITTLE else f"{found.low:+.2f} to {found.high:+.2f}",
            part.verdict,
        )
    return table


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", help="a folder, or s3://bucket/prefix")
    parser.add_argument(
        "--a", metavar="VERSION", help="default: if there are two, the first by name"
    )
    parser.add_argument("--b", metavar="VERSION", help="default: the other one")
    parser.add_argument(
        "--target", choices=get_args(TargetName), default="duration", help="default: %(default)s"
    )
    add_event_time_options(parser)
    return parser
