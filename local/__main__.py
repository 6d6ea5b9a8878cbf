"""The whole pipeline on one machine, with rides in it: what `make run` runs."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from local.answers import DeadLetterFolders
from local.arguments import rate, share, whole_number
from local.commands import paste_commands
from local.demo import Demo, exit_status
from local.display import open_display
from local.errors import LocalError
from local.pipeline import PREDICTIONS, RIDES, PipelineSettings, open_pipeline
from local.rides import RideStatistics, read_statistics
from local.sources import Rides, drawn_rides, replayed_rides
from local.view import closing_lines
from streaming.errors import StreamingError

FOLDER = Path("build/local")
GENTLE_RATE = 5.0
BRISK_RATE = 200.0
INTERRUPTED = 130
"""A shell's exit status for Ctrl-C."""


def main(argv: list[str] | None = None) -> int:
    """Run the demo; the exit status is 0 only if every ride is accounted for."""
    arguments = _parser().parse_args(argv)
    stop = threading.Event()
    try:
        with _stopped_by_signals(stop):
            return _run(arguments, stop)
    except (LocalError, StreamingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: argparse.Namespace, stop: threading.Event) -> int:
    statistics = read_statistics()
    rides = _rides(arguments, statistics)
    settings = PipelineSettings(
        folder=arguments.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
        endpoint_url=os.environ.get("KINESIS_ENDPOINT_URL") or None,
        function_url=arguments.function_url,
        shards=arguments.shards,
        on_failure=arguments.on_failure,
    )
    default_rate = GENTLE_RATE if arguments.rides is None else BRISK_RATE
    with open_pipeline(settings, print) as pipeline:
        print(paste_commands(pipeline.client, RIDES, PREDICTIONS))
        folders = DeadLetterFolders(settings.dead_letters, settings.discarded)
        demo = Demo(pipeline, rides, arguments.rate or default_rate, folders, stop)
        with open_display(Console(), statistics.zones) as show:
            last = demo.run(show)
    for line in closing_lines(last):
        print(line)
    print(f"Logs and dead letters are in {settings.folder}")
    if demo.failure is not None:
        raise demo.failure
    return exit_status(last.sums, rides.count)


def _rides(arguments: argparse.Namespace, statistics: RideStatistics) -> Rides:
    chance = {"seed": arguments.seed, "poison_share": arguments.poison}
    if arguments.data is None:
        return drawn_rides(statistics, count=arguments.rides, **chance)
    rides = replayed_rides(arguments.data, count=arguments.rides, **chance)
    print(f"Replaying {rides.count:,} trips; rows that break the contract: {rides.skipped:,}")
    return rides


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set an event at the first Ctrl-C, or when asked to end; a second Ctrl-C interrupts."""

    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, set_stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Rides in, predictions out, on this machine."
    )
    parser.add_argument(
        "--rides", type=whole_number, metavar="N", help="end after N; default: at Ctrl-C"
    )
    parser.add_argument(
        "--rate",
        type=rate,
        metavar="R",
        help=f"rides a second; default: {GENTLE_RATE:g}, with --rides {BRISK_RATE:g}",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="replay the trips of a green-taxi parquet file"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same rides again")
    parser.add_argument(
        "--poison", type=share, default=0.0, metavar="SHARE", help="spoil this share of the rides"
    )
    parser.add_argument(
        "--shards",
        type=whole_number,
        default=1,
        metavar="N",
        help="of streams that do not exist yet",
    )
    parser.add_argument(
        "--function-url", metavar="URL", help="invoke a runtime interface emulator at a URL"
    )
    parser.add_argument(
        "--on-failure",
        metavar="URL",
        help="file:///folder or s3://bucket/prefix, also gets the records that are given up",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
