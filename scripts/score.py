"""Score the rides of an interval of a table, into a predictions database.

The interval is half-open, in the table's local time: SINCE <= time < UNTIL. A second run leaves the
same rows; a run that was killed continues.
"""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from batch.databases import open_database
from batch.errors import BatchError
from batch.interval import Interval
from batch.predictions_database import shown_location
from batch.rides_table import RidesTable
from batch.scoring import Report, Request, score
from batch.staged_results import Counts
from cli.arguments import Parser
from cli.printable import printable
from cli.program import program
from cli.step_progress import StepProgress
from scripts.scoring_options import add_table_options, staging_of
from streaming import StreamingError


@program(BatchError, StreamingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    table = RidesTable.named([Path(name) for name in options.data if name], options.table)
    interval = Interval.parse(options.since, options.until)
    request = Request(
        table,
        interval,
        Path(staging_of(options)),
        options.workers,
        options.key,
        options.time,
        options.event,
    )
    with StepProgress(Console(stderr=True)) as progress:
        bar = _Bar(progress, f"score {interval}")
        if options.dry_run:
            report = score(request, None, bar.show)
        else:
            with open_database(options.database, options.workers) as database:
                report = score(request, database, bar.show)
    for line in _lines(
        report, "nowhere: a dry run" if options.dry_run else shown_location(options.database)
    ):
        print(printable(line))
    return 0


class _Bar:
    def __init__(self, progress: Progress, description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    def show(self, done: int, rows: int) -> None:
        self._progress.update(self._task, completed=done, total=rows)


def _lines(report: Report, database: str) -> list[str]:
    counts = report.counts
    became = {name: f"{getattr(counts, name):,}" for name in ("predicted", "rejected", "skipped")}
    lines = [
        f"{report.model} {report.version}",
        f"read {counts.read:,} = " + " + ".join(f"{name} {n}" for name, n in became.items()),
    ]
    lines += [f"rejected: {reason}" for reason in report.reasons]
    if report.without_time:
        lines.append(f"{report.without_time:,} rows have no time: they are of no interval")
    if report.resumed:
        lines.append(f"{report.resumed} of {report.slices} slices were finished by an earlier run")
    if counts.read:
        write = counts.write_seconds + report.commit_seconds
        lines.append(
            f"{counts.read / report.seconds:,.0f} rows/s in {report.seconds:.1f} s; a row took "
            f"{_micros(counts.read_seconds, counts)} to read, "
            f"{_micros(counts.predict_seconds, counts)} to check and predict, "
            f"{_micros(write, counts)} to write"
        )
    return [*lines, f"into {database}"]


def _micros(seconds: float, counts: Counts) -> str:
    return f"{seconds / counts.read * 1e6:.2f} µs"


def _parser() -> Parser:
    parser = Parser(description=__doc__.partition("\n")[0])
    add_table_options(parser, "Parquet files, or a DuckDB file")
    parser.add_argument("--since", required=True, metavar="TIME", help="the first moment scored")
    parser.add_argument("--until", required=True, metavar="TIME", help="the first one after it")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    return parser
