"""The whole pipeline on one machine, with rides: `make run`."""

import argparse
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from cli.program import FAILED, program, run_program, stop_on_signal

if __name__ == "__main__":
    run_program("demo.__main__")  # before the slow imports

from cli.archives import RIDE_TABLES, open_archives, tables, written_rows
from cli.arguments import Parser, location, port, rate, rate_or_none, seed, share, whole_number
from cli.printable import counted, printable
from cli.run_folder import create_run_folder
from demo.aws_commands import ANY_EVENT, SMALLEST_RIDE, put_command, write_commands
from demo.challengers import Challenger, challenger_lines, open_challengers
from demo.demo import Demo, exit_status
from demo.display import OutputConsole, Show, open_display
from demo.page_feed import PageFeed, open_page
from demo.ride_generator import RideStatistics, read_statistics
from demo.ride_pipeline import PREDICTIONS, RIDES, ride_pipeline
from demo.ride_sources import Rides, drawn_rides, no_rides, replayed_rides
from demo.snapshot import Snapshot, closing_lines
from local.errors import FunctionError, LocalError, StartError
from local.pipeline import Pipeline, open_pipeline
from streaming.archive.archive_threads import ArchiveThreads
from streaming.errors import StreamingError

FOLDER = Path("build/local")
GENTLE_RATE = 5.0
BRISK_RATE = 200.0
SET_HERE = ("DEAD_LETTERS", "PREDICTIONS_STREAM_NAME", "TEST_RUN")
"""Settings of the function that the demo sets itself."""

IMPORT_FAILED = "Runtime.ImportModuleError: Unable to import module 'lambda_function': "
"""Lambda's prefix of the reason why a function does not start."""


@program(LocalError, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run the demo and return its exit status: 0 only if every ride is accounted for."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.challenger and options.function_url:
        parser.error("--challenger needs a function of its own; not allowed with --function-url")
    if options.rate == 0 and (options.rides or options.data):
        parser.error("--rate is '0'; allowed with --rides or --data: a number above 0")
    if options.speed and (options.data is None or options.rate is not None):
        parser.error(f"--speed is '{options.speed:g}'; allowed only with --data, without --rate")
    with stop_on_signal(_interrupt, signal.SIGHUP):
        try:
            return _run(options)
        except BrokenPipeError:
            # Nobody reads on (`| head`): that stops a run as Ctrl-C does.
            return FAILED if options.rides or options.data else 0
        except FunctionError as error:
            raise StartError(str(error).removeprefix(IMPORT_FAILED)) from error


def _run(options: argparse.Namespace) -> int:
    statistics = read_statistics()
    rides = _rides(options, statistics)
    config = replace(
        ride_pipeline(create_run_folder(options.folder)),
        endpoint_url=os.environ.get("KINESIS_ENDPOINT_URL") or None,
        function_url=options.function_url,
        shards=options.shards,
        on_failure=options.on_failure,
    )
    if ignored := [name for name in SET_HERE if os.environ.get(name)]:
        print(f"Ignored environment variables, the demo sets its own: {', '.join(ignored)}")
    stop = threading.Event()
    with (
        ExitStack() as signals,
        open_pipeline(config, print) as pipeline,
        open_challengers(pipeline, options.challenger, print) as challengers,
        _archived(options, pipeline, challengers, stop) as archives,
        ExitStack() as pages,
    ):
        page = None
        if options.page != 0:
            page = pages.enter_context(open_page(pipeline, challengers, options.page, print))
        hint = _hint(pipeline, options.rate) if rides.count is None else ()
        demo = Demo(pipeline, rides, _rate(options), stop, speed=options.speed, page=page)
        signals.enter_context(stop_on_signal(stop.set, signal.SIGHUP))
        with open_display(OutputConsole(), statistics.zones, hint) as show:
            last = demo.run(_shown_by(show, page))
        for line in challenger_lines(pipeline, challengers):
            print(printable(line))
        if archives is not None:
            archives.finish()
    for line in closing_lines(last):
        print(line)
    if archives is not None:
        rows = sum((archive.rows for archive in archives.archives), Counter[str]())
        print(f"Archived in {options.archive}: {written_rows(rows) or 'no rows'}")
    print(f"Logs and dead-letter records are in {config.folder}")
    if demo.failure is not None:
        raise demo.failure
    return exit_status(last.counts, rides.count)


def _shown_by(show: Show, page: PageFeed | None) -> Show:
    if page is None:
        return show

    def both(snapshot: Snapshot) -> None:
        page.show(snapshot)
        show(snapshot)

    return both


@contextmanager
def _archived(
    options: argparse.Namespace,
    pipeline: Pipeline,
    challengers: Sequence[Challenger],
    stop: threading.Event,
) -> Iterator[ArchiveThreads | None]:
    """Archive every stream meanwhile, if that is asked for; a failure stops the run."""
    if options.archive is None:
        yield None
        return
    events, predictions = options.tables
    outputs = [PREDICTIONS, *(each.pipeline.config.output_stream for each in challengers)]
    streams = {RIDES: events, **dict.fromkeys(outputs, predictions)}
    place = location(options.archive)
    with open_archives(place, pipeline.client, streams, failed=stop.set) as archives:
        archives.start()
        try:
            yield archives
        finally:
            archives.stop()


def _hint(pipeline: Pipeline, rate: float | None) -> Sequence[str]:
    """Return the command to try, and where those for the `aws` command are."""
    commands = write_commands(pipeline.client, RIDES, PREDICTIONS, pipeline.config.folder)
    endpoint_url = pipeline.client.meta.endpoint_url
    return (
        f"Put a ride from a second terminal (with aws: {commands}):",
        f"  {put_command(SMALLEST_RIDE, endpoint_url)}",
        *([f"Any event: {put_command(ANY_EVENT, endpoint_url)}"] if rate == 0 else []),
    )


def _rate(options: argparse.Namespace) -> float:
    if options.rate is not None:
        return float(options.rate)
    return GENTLE_RATE if options.rides is None else BRISK_RATE


def _rides(options: argparse.Namespace, statistics: RideStatistics) -> Rides:
    if options.rate == 0:
        return no_rides()
    how = {"seed": options.seed, "poison_share": options.poison}
    if options.data is None:
        return drawn_rides(statistics, count=options.rides, **how)
    rides = replayed_rides(options.data, count=options.rides, **how)
    skipped = f"; skipped {rides.skipped:,} rows of the file, which violate the contract"
    print(f"Replaying {counted(rides.count or 0, 'trip')}{skipped if rides.skipped else ''}")
    return rides


def _interrupt() -> None:
    raise KeyboardInterrupt


def _parser() -> Parser:
    parser = Parser(
        prog="python -m demo", description="Rides in, predictions out, on this machine."
    )
    parser.add_argument(
        "--rides", type=whole_number, metavar="N", help="stop after N; default: at Ctrl-C"
    )
    parser.add_argument(
        "--rate",
        type=rate_or_none,
        metavar="R",
        help=f"rides a second; default: {GENTLE_RATE:g}, with --rides {BRISK_RATE:g}; 0 puts no "
        "rides, and predicts those of other producers",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="replay the trips of a green-taxi parquet file"
    )
    parser.add_argument(
        "--speed",
        type=rate,
        metavar="S",
        help="replay the trips of --data S times as fast as they happened, by their event times",
    )
    parser.add_argument("--seed", type=seed, metavar="N", help="generate the same rides again")
    parser.add_argument(
        "--poison", type=share, default=0.0, metavar="SHARE", help="the share of poison records"
    )
    parser.add_argument(
        "--shards",
        type=whole_number,
        default=1,
        metavar="N",
        help="shards of streams that do not exist yet",
    )
    parser.add_argument(
        "--function-url",
        metavar="URL",
        help="invoke the function through a runtime interface emulator",
    )
    parser.add_argument(
        "--on-failure",
        metavar="URL",
        help="send discarded records also to file:///folder, s3://bucket/prefix, or the ARN of an "
        "SQS queue or SNS topic",
    )
    parser.add_argument(
        "--challenger",
        action="append",
        default=[],
        metavar="BUNDLE",
        help="another model on the same rides, with its own output stream: a bundle, or a pointer "
        "to one; may be repeated",
    )
    parser.add_argument(
        "--archive",
        metavar="PLACE",
        help="write the streams to Parquet files in a folder or s3://bucket/prefix",
    )
    parser.add_argument(
        "--tables",
        type=tables,
        default=RIDE_TABLES,
        metavar="MODULE",
        help="the archive's tables; default: %(default)s",
    )
    parser.add_argument(
        "--page",
        type=port,
        metavar="PORT",
        help="of the page that shows the run in a browser; default: 8765, or a free one if that is "
        "taken; 0: no page",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    return parser
