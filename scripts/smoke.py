"""Put marked events on the input stream, wait for their predictions, and compare them.

It uses AWS, or the endpoint that --endpoint-url, KINESIS_ENDPOINT_URL or AWS_ENDPOINT_URL names.
"""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

import msgspec

from cli.arguments import Parser, rate, whole_number
from cli.endpoint import endpoint_client, named_endpoint, one_line
from cli.event_key import KEY_VALUE, event_key
from cli.printable import counted, printable
from cli.program import FAILED, USAGE_ERROR, program
from demo.ride_generator import generate_rides, last_week, read_statistics
from deployment.smoke_events import put_and_read, report
from local.errors import LocalError
from scripts.model_loading import ModelProblem, load
from streaming import Entry, InvalidEvent, Model, StreamingError
from streaming.errors import without_password

COUNT = 20
TIMEOUT_SECONDS = 60.0


@program(LocalError, ModelProblem, StreamingError)
def main(
    argv: list[str] | None = None,
    *,
    client: Any = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Run the program; its exit status is 0 only if every prediction came and is as expected."""
    options = _options(argv)
    model: Model[Any] = load("model")[1]
    mark = f"smoke-{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    entries = list(_entries(options, mark))
    if refused := _refused(model, entries, now().timestamp()):
        hint = "" if options.event else "; give one of your model's: --event (EVENT='{...}')"
        print(f"error: the local model {printable(refused)}{hint}", file=sys.stderr)
        return USAGE_ERROR
    endpoint_url = named_endpoint(options.endpoint_url)
    # Only the publisher and the reader retry: they know what has come through.
    kinesis = client or endpoint_client(endpoint_url, retries={"total_max_attempts": 1})
    predictions = options.predictions or getattr(model, "output_stream", "predictions")
    at = without_password(kinesis.meta.endpoint_url)
    print(f"{mark}: {counted(len(entries), 'event')} to {options.stream} at {at}")
    try:
        answers = put_and_read(
            kinesis,
            entries,
            model.name,
            options.stream,
            predictions,
            timeout=options.timeout,
            clock=clock,
            sleep=sleep,
        )
    except Exception as error:  # noqa: BLE001  whatever responds at the endpoint
        print(f"error: {one_line(error, endpoint_url)}", file=sys.stderr)
        return FAILED
    lines, problems = report(answers, model, options.timeout)
    print(*map(printable, lines), sep="\n")
    for problem in problems:
        print(printable(f"error: {problem}"), file=sys.stderr)
    return FAILED if problems else 0


def _entries(options: argparse.Namespace, mark: str) -> Iterator[Entry]:
    """Make the events: rides whose ids begin with the mark, or one event again and again."""
    if options.event is not None:
        data = str(options.event).encode()
        key = event_key(data, options.key) if options.key else None
        for number in range(1, options.count + 1):
            yield {"Data": data, "PartitionKey": key or f"{mark}-{number}"}
        return
    rides = generate_rides(
        read_statistics(),
        Random(mark),  # noqa: S311  test rides
        first_ride_id=1,
        week=last_week(datetime.now()),  # noqa: DTZ005  a ride's time is local
    )
    for ride in islice(rides, options.count):
        ride_id = f"{mark}-{ride['ride_id']}"
        yield {"Data": msgspec.json.encode(ride | {"ride_id": ride_id}), "PartitionKey": ride_id}


def _refused(model: Model[Any], entries: list[Entry], arrived_at: float) -> str | None:
    """Say what is wrong with an event, before anything is put that the function dead-letters."""
    for entry in entries:
        try:
            if model.decode(entry["Data"], arrived_at) is None:
                return "skips the event: another event type"
        except InvalidEvent as error:
            return f"refuses the event: {error}"
    return None


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--count",
        type=whole_number,
        default=COUNT,
        metavar="N",
        help="events; default: %(default)s",
    )
    parser.add_argument("--event", metavar="JSON", help="put this N times, in place of rides")
    parser.add_argument(
        "--key",
        metavar="FIELD",
        help="with --event: the field that is the "
        "partition key, such as machine or device.id; default: a new key for each",
    )
    parser.add_argument("--stream", default="ride_events", help="default: %(default)s")
    parser.add_argument(
        "--predictions",
        default=os.environ.get("PREDICTIONS_STREAM_NAME"),
        metavar="STREAM",
        help="default: PREDICTIONS_STREAM_NAME, the model's",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument(
        "--timeout",
        type=rate,
        default=TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="wait so long for the predictions; default: %(default)g",
    )
    options = parser.parse_args(argv)
    if options.key:
        if options.event is None:
            parser.error("--key needs --event (EVENT='{...}')")
        if event_key(options.event.encode(), options.key) is None:
            parser.error(f"--key is {options.key!r}; allowed: a field of the event, {KEY_VALUE}")
    return options
