"""Write the input and the output streams to Parquet files, each record once.

It continues where the last run with the same place ended, however that ended. It reads from AWS, or
from the endpoint that --endpoint-url or KINESIS_ENDPOINT_URL names.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from cli.archives import RIDE_TABLES, open_archives, tables, written_rows
from cli.arguments import Parser, location, rate, whole_number
from cli.endpoint import endpoint_client, named_endpoint, one_line
from cli.printable import counted
from cli.program import FAILED, USAGE_ERROR, program, stop_on_signal
from local.errors import LocalError
from streaming.archive.archive_threads import ArchiveThreads
from streaming.archive.stream_archive import Limits
from streaming.clients import NO_RETRIES
from streaming.errors import StreamError, StreamingError

DEFAULTS = Limits()


@program(ValueError, OSError, LocalError, StreamingError, status=USAGE_ERROR)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; its exit status is 1 if a stream could not be read."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.events in options.predictions:
        parser.error(f"--events is '{options.events}'; allowed: none of --predictions")
    endpoint_url = named_endpoint(options.endpoint_url)
    events, predictions = options.tables
    streams = {options.events: events, **dict.fromkeys(options.predictions, predictions)}
    limits = Limits(rows=options.rows, seconds=options.seconds)
    client = endpoint_client(endpoint_url, retries=NO_RETRIES)  # the reader retries by itself
    with open_archives(
        options.place, client, streams, limits=limits, committed=_print_commit
    ) as threads:
        try:
            with stop_on_signal(threads.stop):
                threads.start(follow=options.follow)
                threads.join()
        except StreamError as error:
            print(f"error: {one_line(error, endpoint_url)}", file=sys.stderr)
            return FAILED
        finally:
            print(_summary(threads), file=sys.stderr)
    return 0


def _print_commit(stream: str, rows: Mapping[str, int]) -> None:
    if rows:
        print(f"{datetime.now():%H:%M:%S}  {stream}: {written_rows(rows)}", flush=True)  # noqa: DTZ005  local time


def _summary(threads: ArchiveThreads) -> str:
    rows: Counter[str] = sum((archive.rows for archive in threads.archives), Counter[str]())
    duplicates = sum(archive.duplicates for archive in threads.archives)
    dropped = f"; {counted(duplicates, 'duplicate')} dropped" if duplicates else ""
    return f"rows written: {written_rows(rows) or 'none'}{dropped}"


def _parser() -> Parser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "place",
        type=location,
        metavar="PLACE",
        help="a folder, or s3://bucket/prefix; one program writes to it at a time",
    )
    parser.add_argument(
        "--events", default="ride_events", metavar="STREAM", help="default: %(default)s"
    )
    parser.add_argument(
        "--predictions",
        nargs="+",
        default=["ride_predictions"],
        metavar="STREAM",
        help="those of the champion and of challengers; default: ride_predictions",
    )
    parser.add_argument(
        "--tables",
        type=tables,
        default=RIDE_TABLES,
        metavar="MODULE",
        help="the tables EVENTS and PREDICTIONS; for another model "
        "streaming.archive.any_model, or your own; default: %(default)s",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument(
        "--seconds",
        type=rate,
        default=DEFAULTS.seconds,
        metavar="S",
        help="write at least so often; default: %(default)g",
    )
    parser.add_argument(
        "--rows",
        type=whole_number,
        default=DEFAULTS.rows,
        metavar="N",
        help="write as soon as there are so many; default: %(default)s",
    )
    parser.add_argument(
        "--once",
        dest="follow",
        action="store_false",
        help="end at the streams' tips instead of waiting for new records",
    )
    return parser
