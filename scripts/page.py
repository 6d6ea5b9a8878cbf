"""Show a stream's rides and predictions live in a browser, on AWS or at any endpoint.

It reads from AWS, or from the endpoint that --endpoint-url or KINESIS_ENDPOINT_URL names.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from cli.arguments import Parser, location, port
from cli.endpoint import endpoint_client, named_endpoint, one_line
from cli.program import FAILED, program, stop_on_signal
from local.errors import LocalError
from page.dead_letter_view import DeadLetters
from page.guard import LOOPBACK, checked_token
from page.live_rides import LiveRides
from page.page_state import About, PageState
from page.polls import AGE_SECONDS, DEAD_LETTER_SECONDS, DeadLetterDays, FunctionAge, Poll
from page.ride_form import RideForm
from page.server import HOST, Page, serve
from page.stream_source import StreamCounts, StreamThreads
from streaming import Storage, StreamError, StreamingError, aws_client, open_storage
from streaming.clients import is_aws
from streaming.locations import parse_location

SETTING = "--dead-letters"
WAKE_SECONDS = 0.2


@program(LocalError, StreamingError)
def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; the exit status is 1 if a stream cannot be read."""
    options = _parser().parse_args(argv)
    token = checked_token(options.host, os.environ)
    endpoint_url = named_endpoint(options.endpoint_url)
    # Each reader has a thread, and visitors put rides beside them.
    client = endpoint_client(endpoint_url, max_pool_connections=len(options.predictions) + 10)
    live, dead_letters = LiveRides(options.predictions[0]), DeadLetters()
    polls: list[Poll] = []
    if options.dead_letters:
        letters = DeadLetterDays(_days(options.dead_letters), options.stream, dead_letters)
        polls.append(Poll(letters.poll, DEAD_LETTER_SECONDS))
    age = FunctionAge(aws_client("cloudwatch"), options.function) if options.function else None
    if age is not None:
        polls.append(Poll(age.poll, AGE_SECONDS))
    counts = StreamCounts(
        live,
        dead_letters if options.dead_letters else None,
        lambda: age.milliseconds if age else None,
    )
    threads = StreamThreads(client, counts.taps(options.stream, options.predictions))
    try:
        threads.open()
    except StreamError as error:
        print(f"error: {one_line(error, endpoint_url)}", file=sys.stderr)
        return FAILED
    about = About(
        endpoint=client.meta.endpoint_url,
        input_stream=options.stream,
        output_streams=tuple(options.predictions),
        can_put=not is_aws(client.meta.endpoint_url),
    )
    state = PageState(
        about,
        live,
        dead_letters,
        lambda: counts.figures(threads.duplicates),
        failure=threads.failure,
    )
    page = Page(
        cells=state.cells,
        form=RideForm(client, options.stream, live) if about.can_put else None,
        token=token,
        hosts=LOOPBACK if options.host in LOOPBACK else (),
    )
    stopped = threading.Event()
    with serve(page, options.host, options.port) as address, ExitStack() as stack:
        parts: list[Poll | StreamThreads] = [threads, *polls]
        for part in parts:
            part.start()
            stack.callback(part.stop)
        print(f"The page is at {address}{' (it asks for PAGE_TOKEN)' if token else ''}", flush=True)
        with stop_on_signal(stopped.set, signal.SIGHUP):
            # A signal handler must not set an event that its own thread waits for.
            while not stopped.is_set():
                time.sleep(WAKE_SECONDS)
    return 0


def _days(place: str) -> Callable[[str], Storage | None]:
    """Return what opens a day's dead letters.

    Raises:
        SettingsError: The place is neither a folder nor on S3.
    """
    place = location(place).rstrip("/")
    root = parse_location(SETTING, place)

    def open_day(day: str) -> Storage | None:
        if isinstance(root, Path) and not (root / day).is_dir():
            return None
        return open_storage(SETTING, f"{place}/{day}", lambda: aws_client("s3"))

    return open_day


def _parser() -> Parser:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stream", default="ride_events", help="default: %(default)s")
    parser.add_argument(
        "--predictions",
        nargs="+",
        default=["ride_predictions"],
        metavar="STREAM",
        help="the champion's, then its challengers'; default: ride_predictions",
    )
    parser.add_argument(
        "--dead-letters",
        metavar="PLACE",
        help="where the function writes them: s3://bucket/prefix or a folder; default: not shown",
    )
    parser.add_argument(
        "--function",
        metavar="NAME",
        help="the function whose iterator age CloudWatch is asked for; default: not shown",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument(
        "--host",
        default=HOST,
        help="to listen on; default: %(default)s; any other needs PAGE_TOKEN, which visitors give",
    )
    parser.add_argument(
        "--port", type=port, help="default: 8765, or a free one if that is taken; 0: a free one"
    )
    return parser
