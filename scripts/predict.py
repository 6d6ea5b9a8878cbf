"""Show the model's prediction for one event, or put the event and wait for its prediction.

The event is a ride, or any JSON for another model. Without --put nothing but the model is needed.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from cli.arguments import Parser
from cli.endpoint import endpoint_client, named_endpoint, one_line
from cli.event_key import DEFAULT_FIELD, KEY_HELP, KEY_VALUE, event_key
from cli.printable import printable
from cli.program import FAILED, program
from scripts.model_loading import ModelProblem, checked_predictions, load, raised
from streaming import (
    DECODE_ERRORS,
    InvalidEvent,
    Poison,
    StartingPosition,
    StreamingError,
    StreamReader,
)
from streaming.clients import NO_RETRIES

RIDE_ID = 256
WAIT_SECONDS = 20.0
CLOCK_SKEW = timedelta(seconds=10)
FATE = "the function would dead-letter it"
FATE_OF_FAILED = f"{FATE}, or retry it if the model fails on all events"


@program(ModelProblem, StreamingError)
def main(
    argv: list[str] | None = None,
    *,
    client: Any = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    module: str = "model",
) -> int:
    """Run the program; its exit status is 1 if there is no prediction."""
    options = _options(argv)
    event = _event(options)
    content = event.encode(errors="surrogateescape")  # bytes of an argument that are no UTF-8
    print(f"event       {printable(event)}")
    if options.put:
        kinesis, endpoint_url = client, named_endpoint(options.endpoint_url)
        if kinesis is None:
            kinesis = endpoint_client(endpoint_url, retries=NO_RETRIES)
        reader = _reader(kinesis, options.predictions, now() - CLOCK_SKEW, clock, sleep)
        try:
            return _put(content, options, kinesis, reader)
        except Exception as error:  # noqa: BLE001  whatever responds at the endpoint
            print(f"error: {one_line(error, endpoint_url)}", file=sys.stderr)
            return FAILED
    return _predict(content, module)


def _predict(content: bytes, module: str) -> int:
    _, model = load(module)
    step = "decode"
    try:
        event = model.decode(content, time.time())
        if event is None:
            print("no prediction; the function would skip it: another event type", file=sys.stderr)
            return FAILED
        step = "predict"
        (prediction,) = checked_predictions(model, [event])
    except Exception as error:  # noqa: BLE001  a model may raise anything
        reason = printable(str(error)) if isinstance(error, Poison) else raised(step, error)
        fate = FATE if isinstance(error, InvalidEvent) else FATE_OF_FAILED
        print(f"no prediction; {fate}: {reason}", file=sys.stderr)
        return FAILED
    value = msgspec.json.format(msgspec.json.encode(prediction.value), indent=0)
    print(f"prediction  {printable(value.decode())}")
    print(f"model       {printable(model.name)} {printable(model.version)}")
    return 0


def _put(
    content: bytes, options: argparse.Namespace, kinesis: Any, predictions: StreamReader
) -> int:
    put = kinesis.put_record(
        StreamName=options.stream,
        Data=content,
        PartitionKey=event_key(content, options.key or DEFAULT_FIELD) or "event",
    )
    event_id = f"{put['ShardId']}:{put['SequenceNumber']}"
    print(f"put         {options.stream}, {event_id}")
    for record in predictions:
        if _event_id(record.data) == event_id:
            print(f"prediction  {printable(record.data.decode())}")
            return 0
    print(
        f"No prediction within {WAIT_SECONDS:.0f} s: the event was dead-lettered or skipped, "
        "or no function reads the stream; without --put (`make predict`) the model says which",
        file=sys.stderr,
    )
    return FAILED


def _reader(
    client: Any,
    stream: str,
    start: datetime,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
) -> StreamReader:
    """Return a reader that stops by itself."""
    ends_at = clock() + WAIT_SECONDS

    def wait(seconds: float) -> None:
        if clock() >= ends_at:
            reader.stop()
        sleep(seconds)

    reader = StreamReader(client, stream, StartingPosition.at(start), clock=clock, sleep=wait)
    return reader


class _Predicted(msgspec.Struct):
    event_id: str | None = None


def _event_id(data: bytes) -> str | None:
    try:
        return msgspec.json.decode(data, type=_Predicted).event_id
    except DECODE_ERRORS:
        return None


def _event(options: argparse.Namespace) -> str:
    """Return the event as JSON; a wrong value stays in it, since the model says what is allowed."""
    if options.json is not None:
        return str(options.json)
    ride = {
        "PULocationID": options.pickup,
        "DOLocationID": options.dropoff,
        "trip_distance": options.miles,
        "pickup_datetime": options.at,
    }
    given = {name: value for name, value in ride.items() if value is not None}
    return json.dumps({"ride": given, "ride_id": options.ride_id})


def _number_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text, type=int | float)
    except msgspec.MsgspecError:
        return text


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    ride = parser.add_argument_group("a ride")
    ride.add_argument("--pickup", type=_number_or_text, metavar="ZONE", help="TLC zone, 1 to 265")
    ride.add_argument("--dropoff", type=_number_or_text, metavar="ZONE", help="TLC zone, 1 to 265")
    ride.add_argument("--miles", type=_number_or_text, default=0, help="0, unknown, by default")
    ride.add_argument("--at", metavar="TIME", help="New York local time; default: now")
    ride.add_argument("--ride-id", type=_number_or_text, default=RIDE_ID, metavar="ID")
    parser.add_argument("--json", metavar="EVENT", help="any event, in place of a ride")
    parser.add_argument("--put", action="store_true", help="put it, and wait for its prediction")
    parser.add_argument("--key", metavar="FIELD", help=KEY_HELP % {"default": DEFAULT_FIELD})
    parser.add_argument("--stream", default="ride_events", help="default: %(default)s")
    parser.add_argument("--predictions", default="ride_predictions", help="default: %(default)s")
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    options = parser.parse_args(argv)
    if options.json is None and None in (options.pickup, options.dropoff):
        parser.error(
            "an event is needed: --pickup and --dropoff (PU=130 DO=205 MILES=3.66 with make), "
            "or --json (JSON='{...}')"
        )
    if options.json is not None and (options.pickup, options.dropoff, options.at) != (None,) * 3:
        parser.error("an event is --json, or a ride: --pickup, --dropoff and --at; not both")
    if options.key:
        content = _event(options).encode(errors="surrogateescape")
        if event_key(content, options.key) is None:
            parser.error(f"--key is {options.key!r}; allowed: a field of the event, {KEY_VALUE}")
    return options
