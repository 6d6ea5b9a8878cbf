"""How good predictions were, from an archive: errors by version, age, hour, borough and distance.

Predictions are joined with what really happened in event time. The exit status is 1 if a bound is
not kept (--max-rmse, --max-bias, --min-labelled), or if nothing can be said about it.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.arguments import Parser, location, not_allowed, rate, share
from cli.printable import printable
from cli.program import FAILED, program
from lifecycle.archive_query import open_archive_tables
from lifecycle.errors import LifecycleError
from lifecycle.prediction_quality import EVERY_BY, WHY_COHORTS, By, Gates, figures_by
from lifecycle.quality_metrics import put_quality_metrics
from lifecycle.quality_page import quality_page
from lifecycle.quality_tables import RANGE, Section, sections, summary
from lifecycle.scored_predictions import Scope, TargetName, score
from scripts.event_time_options import add_event_time_options
from streaming import StreamingError, aws_client
from streaming.files import write_atomically


@program(LifecycleError, StreamingError, ClientError, BotoCoreError, OSError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    scope = Scope(options.target, options.since, options.as_of)
    with open_archive_tables(location(options.archive), partial(aws_client, "s3")) as tables:
        scored = score(tables, scope)
        figures = {by: figures_by(scored, by) for by in EVERY_BY}
    sentences = summary(scored, figures["version"])
    console = Console(file=sys.stdout)
    for sentence in sentences:
        console.print(sentence, markup=False, highlight=False)
    for by in options.by:
        for section in sections(by, figures[by]):
            console.print()
            console.print(_table(section))
        if by == "age" and figures[by]:
            console.print(f"\n{WHY_COHORTS}", markup=False, highlight=False)
    if options.html:
        title = f"Quality of the predictions of the {options.target}"
        page = quality_page(title, sentences, figures, scored.unit)
        write_atomically(options.html, page.encode())
        print(f"Wrote {options.html}")
    if options.cloudwatch:
        client = aws_client("cloudwatch")
        print(f"Put {put_quality_metrics(client, options.target, figures['age'])} metrics")
    gates = Gates(options.max_rmse, options.max_bias, options.min_labelled)
    failures = gates.failures(figures["age"])
    for failure in failures:
        print(printable(f"Not good enough: {failure}."))
    return FAILED if failures else 0


def _table(section: Section) -> Table:
    table = Table(
        title=Text(printable(section.title), style="bold"),
        box=None,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        title_justify="left",
    )
    table.add_column("", overflow="fold", min_width=4)
    for heading in section.headings:
        # Six columns are too wide for a narrow terminal: the shares take two lines there.
        folds = RANGE in section.headings and heading in {"labelled", RANGE}
        table.add_column(heading, justify="right", no_wrap=not folds, overflow="fold")
    for name, *cells in section.rows:
        table.add_row(Text(printable(name)), *cells)
    return table


def _kinds(text: str) -> Sequence[By]:
    chosen = [by for name in text.split(",") for by in EVERY_BY if by == name]
    if len(chosen) != len(text.split(",")):
        raise not_allowed(text, f"{', '.join(EVERY_BY)}, separated by commas")
    return chosen


def _parser() -> Parser:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", metavar="ARCHIVE", help="a folder, or s3://bucket/prefix")
    parser.add_argument(
        "--target",
        choices=get_args(TargetName),
        default="duration",
        help="default: %(default)s; the tip is known of rides paid by card",
    )
    parser.add_argument(
        "--by",
        type=_kinds,
        default="version,age",
        metavar="LIST",
        help=f"tables to show, of {', '.join(EVERY_BY)}; default: %(default)s",
    )
    add_event_time_options(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument(
        "--cloudwatch", action="store_true", help="put the figures as CloudWatch metrics"
    )
    _add_gates(parser)
    return parser


def _add_gates(parser: argparse.ArgumentParser) -> None:
    gates = parser.add_argument_group("exit status 1, of predictions at least an hour old")
    gates.add_argument("--max-rmse", type=rate, metavar="X", help="if the RMSE is above")
    gates.add_argument("--max-bias", type=rate, metavar="X", help="if the bias is beyond ±X")
    gates.add_argument(
        "--min-labelled", type=share, metavar="SHARE", help="if fewer predictions have a label"
    )
