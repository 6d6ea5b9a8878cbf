"""Print the predictions on a stream, as lines or as JSON.

It works against any endpoint: KINESIS_ENDPOINT_URL or --endpoint-url name one, else it is AWS.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
if __name__ == "__main__":
    # Ctrl-C during the imports ends the program without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import msgspec

from cli.arguments import Parser, not_allowed, whole_number
from cli.endpoint import endpoint_client, named_endpoint, one_line
from local.errors import LocalError
from streaming.errors import StreamError, StreamingError, excerpt
from streaming.reader.checkpoints import TRIM_HORIZON, StartingPosition
from streaming.reader.shard_reader import KinesisReads, StreamRecord
from streaming.reader.stream_reader import StreamReader

SAVE_INTERVAL_SECONDS = 1.0
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
INTERRUPTED = 130
"""A shell's exit status for Ctrl-C."""


class _RideValues(msgspec.Struct):
    ride_id: int | str
    ride_duration: float | None = None
    ride_tip: float | None = None


class _Prediction(msgspec.Struct, tag_field="event_type", tag="ride_predicted"):
    model: str
    version: str
    prediction: msgspec.Raw
    arrived_at: datetime | None = None


def as_line(record: StreamRecord) -> str:
    """Show a prediction in one line: what it says, time from its input's arrival, model."""
    try:
        answer = msgspec.json.decode(record.data, type=_Prediction)
        said = _said(answer.prediction)
    except UNREADABLE:
        return f"not a prediction: {excerpt(record.data)}"
    latency = "-"
    if answer.arrived_at is not None:
        latency = f"after {(record.arrived_at - answer.arrived_at).total_seconds():.1f} s"
    return f"{said}   {latency:<12} {answer.model} {answer.version}"


def _said(prediction: msgspec.Raw) -> str:
    """Show a ride's id, minutes and tip in columns; what another model says as it is."""
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
    """Give the payload in one line, without blanks between its parts; None if it is not JSON."""
    try:
        return msgspec.json.format(record.data, indent=-1).decode()
    except UNREADABLE:
        return None


@dataclass(slots=True)
class Tally:
    """Prints lines and keeps count.

    Attributes:
        stream: The stream's name.
        printed: Records printed.
        left_out: Records that have no line.
        duplicates: Records dropped because their event had come before.
    """

    stream: str
    printed: int = 0
    left_out: int = 0
    duplicates: int = 0

    def show(self, line: str | None) -> None:
        """Print a line at once, so that whoever reads along sees it; None is left out."""
        if line is None:
            self.left_out += 1
        else:
            print(line, flush=True)
            self.printed += 1

    def __str__(self) -> str:
        """Sum up in one line."""
        parts = [f"{self.printed:,} printed"]
        parts += [f"{self.left_out:,} not JSON"] if self.left_out else []
        parts += [f"{self.duplicates:,} repeated"] if self.duplicates else []
        return f"{self.stream}: {', '.join(parts)}"


class CheckpointFile:
    """A file that remembers how far a stream was printed.

    Args:
        path: The file; None: nothing is remembered.
        stream_name: The stream.
        clock: Seconds, never going back.
    """

    def __init__(self, path: Path | None, stream_name: str, clock: Callable[[], float]) -> None:
        self._path = path
        self._stream_name = stream_name
        self._clock = clock
        self._saved_at = clock()

    def load(self) -> dict[str, str] | None:
        """Give the position to go on from; None without a file.

        Raises:
            ValueError: The file is not a checkpoint_file of this stream.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            page = msgspec.json.decode(self._path.read_bytes(), type=_Page)
        except msgspec.DecodeError as error:
            raise ValueError(
                f"{self._path} is not a position that was saved here: {error}"
            ) from None
        if page.stream != self._stream_name:
            raise ValueError(
                f"{self._path} is a position in {page.stream}, not {self._stream_name}"
            )
        return page.shards

    def save(self, reader: StreamReader) -> None:
        """Save the position, in one step that leaves no half-written file."""
        self._saved_at = self._clock()
        if self._path is None or not reader.position:
            return
        page = msgspec.json.encode(_Page(self._stream_name, reader.position))
        unfinished = self._path.with_name(f"{self._path.name}.tmp")
        unfinished.write_bytes(page)
        unfinished.replace(self._path)

    def save_now_and_then(self, reader: StreamReader) -> None:
        """Save once a second, in case the program is killed."""
        if self._clock() - self._saved_at >= SAVE_INTERVAL_SECONDS:
            self.save(reader)


class _Page(msgspec.Struct):
    stream: str
    shards: dict[str, str]


def main(
    argv: Sequence[str] | None = None,
    *,
    client: KinesisReads | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Run the program; its exit status is 1 if the stream could not be read."""
    parser = _parser(now)
    options = parser.parse_args(argv)
    endpoint_url = named_endpoint(options.endpoint_url)
    checkpoint_file = CheckpointFile(options.position, options.stream, clock)
    try:
        reader = StreamReader(
            client or endpoint_client(endpoint_url),
            options.stream,
            options.start,
            saved=checkpoint_file.load(),
            follow=options.follow,
            clock=clock,
            # A signal handler may not touch an event that its own thread waits for.
            sleep=sleep,
            now=now,
        )
        return _print_records(reader, options, checkpoint_file)
    except StreamError as error:
        print(f"error: {one_line(error, endpoint_url)}", file=sys.stderr)
        return 1
    except (ValueError, OSError, LocalError, StreamingError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _print_records(
    reader: StreamReader, options: argparse.Namespace, checkpoint_file: CheckpointFile
) -> int:
    tally = Tally(options.stream)
    try:
        with suppress(KeyboardInterrupt), _stopped_by_signals(reader):
            for record in islice(reader, options.limit):
                tally.show(as_json(record) if options.json else as_line(record))
                checkpoint_file.save_now_and_then(reader)
    except BrokenPipeError:
        _silence_stdout()
        return 0
    finally:
        checkpoint_file.save(reader)
    tally.duplicates = reader.duplicates
    print(tally, file=sys.stderr)
    return 0


@contextmanager
def _stopped_by_signals(reader: StreamReader) -> Iterator[None]:
    """End the loop between two records at Ctrl-C or a termination; a second one does not wait."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, before[number])
        reader.stop()

    signals: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _silence_stdout() -> None:
    # What is still buffered would fail again when the interpreter flushes it at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
        "default: %(default)s, everything that the stream still holds",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument("--json", action="store_true", help="print payloads, one a line")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="end after so many records")
    parser.add_argument(
        "--follow",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="wait for more; default: yes",
    )
    parser.add_argument(
        "--position",
        type=_position_file,
        metavar="FILE",
        help="go on where the last run with this file ended; outranks --from",
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
        raise not_allowed(text, f"a time that has come; it is {now:%Y-%m-%dT%H:%M:%S} UTC now")
    return position


def _position_file(text: str) -> Path:
    """Find out before anything is printed whether a position could be saved."""
    path = Path(text)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise not_allowed(text, "a file in a folder that exists and can be written")
    return path


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
