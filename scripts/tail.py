"""Print the predictions on a stream, as lines or as JSON.

It reads from AWS, or from the endpoint that --endpoint-url or KINESIS_ENDPOINT_URL names.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from cli.arguments import Parser, not_allowed, whole_number
from cli.endpoint import endpoint_client, named_endpoint, one_line
from cli.printable import printable
from cli.program import FAILED, USAGE_ERROR, program, stop_on_signal
from local.errors import LocalError
from streaming import (
    DECODE_ERRORS,
    TRIM_HORIZON,
    CheckpointFile,
    StartingPosition,
    StreamReader,
    StreamRecord,
)
from streaming.errors import StreamError, StreamingError, excerpt
from streaming.reader.stream_description import StreamReads


class _RideValues(msgspec.Struct):
    ride_id: int | str
    ride_duration: float | None = None
    ride_tip: float | None = None


class _Prediction(msgspec.Struct):
    model: str
    version: str
    prediction: msgspec.Raw
    arrived_at: datetime | None = None


def as_line(record: StreamRecord) -> str:
    """Format any model's prediction as one line: values, seconds since its event arrived, model."""
    try:
        predicted = msgspec.json.decode(record.data, type=_Prediction)
        values = _values(predicted.prediction)
    except DECODE_ERRORS:
        return f"not a prediction: {excerpt(record.data)}"
    latency = "-"
    if predicted.arrived_at is not None:
        latency = f"after {(record.arrived_at - predicted.arrived_at).total_seconds():.1f} s"
    return printable(f"{values}   {latency:<12} {predicted.model} {predicted.version}")


def _values(prediction: msgspec.Raw) -> str:
    """Format a ride's id, minutes and tip in columns, and another model's values as JSON."""
    try:
        values = msgspec.json.decode(prediction, type=_RideValues)
    except msgspec.ValidationError:
        values = None
    if values is None or values.ride_duration is values.ride_tip is None:
        return msgspec.json.format(bytes(prediction), indent=-1).decode()
    minutes = "-" if values.ride_duration is None else f"{values.ride_duration:.1f} min"
    tip = "-" if values.ride_tip is None else f"${values.ride_tip:.2f} tip"
    return f"ride {values.ride_id!s:<12} {minutes:>9} {tip:>11}"


def as_json(record: StreamRecord) -> str | None:
    """Return the payload as compact JSON in one line; None if it is not JSON."""
    try:
        return printable(msgspec.json.format(record.data, indent=-1).decode())
    except DECODE_ERRORS:
        return None


@dataclass(slots=True)
class Printer:
    """Prints records and counts them.

    Attributes:
        stream: The stream's name.
        printed: Records printed.
        not_json: Records left out with --json.
        duplicates: Records that the reader dropped, since it had returned their event before.
    """

    stream: str
    printed: int = 0
    not_json: int = 0
    duplicates: int = 0

    def show(self, line: str | None) -> None:
        """Print a line, unbuffered so that a pipe gets it at once; leave None out."""
        if line is None:
            self.not_json += 1
        else:
            print(line, flush=True)
            self.printed += 1

    def __str__(self) -> str:
        """Return the counts as one line."""
        parts = [f"{self.printed:,} printed"]
        parts += [f"{self.not_json:,} not JSON"] if self.not_json else []
        parts += [f"{self.duplicates:,} duplicates dropped"] if self.duplicates else []
        return f"{self.stream}: {', '.join(parts)}"


@program(ValueError, OSError, LocalError, StreamingError, status=USAGE_ERROR)
def main(
    argv: Sequence[str] | None = None,
    *,
    client: StreamReads | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Run the program; its exit status is 1 if the stream could not be read."""
    options = _parser(now).parse_args(argv)
    endpoint_url = named_endpoint(options.endpoint_url)
    checkpoints = None
    if options.checkpoint:
        checkpoints = CheckpointFile(options.checkpoint, options.stream, clock=clock)
    try:
        reader = StreamReader(
            client or endpoint_client(endpoint_url),
            options.stream,
            options.start,
            saved=checkpoints.load() if checkpoints else None,
            follow=options.follow,
            clock=clock,
            # A signal handler must not set an event that its own thread waits for.
            sleep=sleep,
            now=now,
        )
        _print_records(reader, options, checkpoints)
    except StreamError as error:
        print(f"error: {one_line(error, endpoint_url)}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        pass  # the reader of the pipe has closed it, as `head` does
    return 0


def _print_records(
    reader: StreamReader, options: argparse.Namespace, checkpoints: CheckpointFile | None
) -> None:
    printer = Printer(options.stream)
    try:
        with suppress(KeyboardInterrupt), stop_on_signal(reader.stop):
            for record in islice(reader, options.limit):
                printer.show(as_json(record) if options.json else as_line(record))
                reader.checkpoint()
                if checkpoints:
                    checkpoints.save_periodically(reader)
    finally:
        if checkpoints:
            checkpoints.save(reader)
    printer.duplicates = reader.duplicates
    print(printer, file=sys.stderr)


def _parser(now: Callable[[], datetime]) -> Parser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--stream", default="ride_predictions", help="default: %(default)s")
    parser.add_argument(
        "--from",
        dest="start",
        type=lambda text: _start(text, now()),
        default=TRIM_HORIZON,
        metavar="WHERE",
        help="TRIM_HORIZON, LATEST or a time in ISO 8601 (without an offset: UTC); "
        "default: %(default)s, every record that the stream still holds",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument("--json", action="store_true", help="print payloads as JSON lines")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="end after N records")
    parser.add_argument(
        "--follow",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="wait for new records; default: yes",
    )
    parser.add_argument(
        "--checkpoint",
        type=_checkpoint_path,
        metavar="FILE",
        help="resume where the last run with this file ended; overrides --from",
    )
    return parser


def _start(text: str, now: datetime) -> StartingPosition:
    try:
        position = StartingPosition.parse(text)
    except ValueError:
        position = None
    if position is None or position.sequence_number is not None:
        raise not_allowed(text, "TRIM_HORIZON, LATEST, a time in ISO 8601")
    if position.timestamp is not None and position.timestamp > now:
        raise not_allowed(text, f"a time in the past; it is now {now:%Y-%m-%dT%H:%M:%S} UTC")
    return position


def _checkpoint_path(text: str) -> Path:
    """Check before anything is printed that the file can be written."""
    path = Path(text)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise not_allowed(text, "a file in a folder that exists and can be written")
    return path
