"""Put rides on a stream: generated ones, real trips, or JSON lines from standard input.

It writes to AWS, or to the endpoint that --endpoint-url or KINESIS_ENDPOINT_URL names.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import TextIO, cast

from cli.arguments import Parser, rate, seed, share, whole_number
from cli.endpoint import MonitoredClient, endpoint_client, named_endpoint
from cli.event_key import DEFAULT_FIELD, KEY_HELP, event_key
from cli.printable import counted
from cli.program import FAILED, INTERRUPTED, USAGE_ERROR, program
from demo.producer import paced_batches, put_records_batches
from demo.ride_generator import read_statistics
from demo.ride_sources import drawn_rides, replayed_rides
from local.errors import LocalError
from streaming.clients import NO_RETRIES
from streaming.errors import StreamingError
from streaming.publisher import (
    DEFAULT_ENTRY_BYTES,
    PARTITION_KEY_CHARACTERS,
    Entry,
    Publisher,
    PutRecordsClient,
    entry_bytes,
)

TIMEOUT_SECONDS = 60.0
"""How long rides that Kinesis refuses are resent."""

READ_BYTES = 65_536

TERMINAL_SECONDS, LINE_SECONDS = 0.5, 10.0
"""How often progress is shown on a terminal, and elsewhere."""


@dataclass(slots=True)
class Counts:
    """How many rides were put and accepted.

    Attributes:
        put: Rides sent, whatever the result.
        accepted: Rides that Kinesis accepted.
        not_accepted: Rides that it did not.
        resent: How many times a ride was sent again.
        failure: Why the last rides were not accepted.
    """

    put: int = 0
    accepted: int = 0
    not_accepted: int = 0
    resent: int = 0
    failure: str | None = None

    def __str__(self) -> str:
        """Return the counts as one line."""
        unknown = self.put - self.accepted - self.not_accepted
        parts = [f"{self.accepted:,} of {counted(self.put, 'ride')} accepted"]
        parts += [f"{self.not_accepted:,} not accepted"] if self.not_accepted else []
        parts += [f"{unknown:,} still in flight"] if unknown else []
        parts += [f"{self.resent:,} resent"] if self.resent else []
        return ", ".join(parts)


@program(LocalError, StreamingError, status=USAGE_ERROR)
def main(
    argv: list[str] | None = None,
    *,
    client: PutRecordsClient | None = None,
    stdin: BufferedIOBase | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Run the program; its exit status is 0 only if every ride was accepted."""
    options = _parser().parse_args(argv)
    counts = Counts()
    started = clock()
    try:
        entries = _entries(options, stdin or cast("BufferedIOBase", sys.stdin.buffer))
        monitored = _monitored_client(client, options.endpoint_url)
        publisher = Publisher(monitored, options.stream, clock=clock, sleep=sleep)
        batches = paced_batches(entries, options.rate, clock=clock, sleep=sleep)
        put(batches, publisher, counts, clock, Progress(sys.stderr, clock))
    except KeyboardInterrupt:
        print(f"Interrupted: {counts}", file=sys.stderr)
        return INTERRUPTED
    print(f"{counts} by {options.stream} in {clock() - started:.1f} s")
    if counts.failure:
        reason = monitored.failure and f"cannot put on {options.stream}: {monitored.failure}"
        print(f"Stopped: {reason or counts.failure}", file=sys.stderr)
    return 0 if counts.accepted == counts.put else FAILED


class Progress:
    """Shows how far a program is, on one line of a terminal or as a line now and then.

    Args:
        stream: Standard error.
        clock: Monotonic seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._interval = TERMINAL_SECONDS if stream.isatty() else LINE_SECONDS
        self._due = clock() + self._interval

    def show(self, line: object) -> None:
        """Show a line, if it is due."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + self._interval
        # On a terminal the next line overwrites it.
        end = "\x1b[K\r" if self._stream.isatty() else "\n"
        print(line, end=end, file=self._stream, flush=True)


def put(
    batches: Iterable[list[Entry]],
    publisher: Publisher,
    counts: Counts,
    clock: Callable[[], float],
    progress: Progress,
) -> None:
    """Put batches until Kinesis still refuses one after the timeout, and count their rides."""
    for batch in batches:
        counts.put += len(batch)
        outcome = publisher.publish(batch, clock() + TIMEOUT_SECONDS)
        counts.accepted += outcome.accepted
        counts.not_accepted += len(batch) - outcome.accepted
        counts.resent += outcome.retried
        counts.failure = outcome.failure
        if outcome.refused:
            return
        progress.show(counts)


def arriving_lines(stdin: BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield lines in groups, as soon as they arrive, so that a slow source is not delayed."""
    rest = b""
    while chunk := stdin.read1(READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield lines
    yield [rest]


def line_entries(groups: Iterable[list[bytes]], key: str = DEFAULT_FIELD) -> Iterator[list[Entry]]:
    """Make each line an entry, unchanged.

    Args:
        groups: Lines that arrive together.
        key: The event's field that is its partition key; without it, the line number is.
    """
    number = itertools.count(1)
    for group in groups:
        entries: list[Entry] = []
        for position, line in ((next(number), line.strip()) for line in group):
            if line:
                found = event_key(line, key) or f"line-{position}"
                entry: Entry = {"Data": line, "PartitionKey": found}
                _warn_of_size(position, entry, key)
                entries.append(entry)
        yield entries


def _warn_of_size(line: int, entry: Entry, key: str) -> None:
    """Report a line that Kinesis does not accept, or only if the stream is configured for it."""
    size, characters = entry_bytes(entry), len(entry["PartitionKey"])
    problem = None
    if size > DEFAULT_ENTRY_BYTES:
        allowed = f"{DEFAULT_ENTRY_BYTES:,}, or the stream's MaxRecordSizeInKiB"
        problem = f"{size:,} bytes with its partition key; allowed: {allowed}"
    elif characters > PARTITION_KEY_CHARACTERS:
        problem = f"a {key} of {characters:,} characters; allowed: {PARTITION_KEY_CHARACTERS}"
    if problem:
        print(f"Line {line:,} has {problem}", file=sys.stderr)


def _entries(options: argparse.Namespace, stdin: BufferedIOBase) -> Iterator[list[Entry]]:
    if options.stdin:
        return line_entries(arriving_lines(stdin), options.key)
    randomness = {"seed": options.seed, "poison_share": options.poison}
    if options.replay:
        source = replayed_rides(options.replay, **randomness)
        if source.skipped:
            print(f"{source.skipped:,} invalid rows of {options.replay} are left out")
    else:
        source = drawn_rides(read_statistics(), count=options.generate, **randomness)
    return put_records_batches(ride.entry for ride in source.rides)


def _monitored_client(client: PutRecordsClient | None, option: str | None) -> MonitoredClient:
    endpoint_url = named_endpoint(option)
    return MonitoredClient(
        client or endpoint_client(endpoint_url, retries=NO_RETRIES),
        endpoint_url,
        lambda failure: print(
            f"{failure}; retrying for {TIMEOUT_SECONDS:.0f} s", file=sys.stderr, flush=True
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--generate", type=whole_number, metavar="N", help="N realistic rides")
    source.add_argument("--replay", type=Path, metavar="FILE", help="a month of green-taxi trips")
    source.add_argument("--stdin", action="store_true", help="one JSON event per line")
    parser.add_argument(
        "--key", default=DEFAULT_FIELD, metavar="FIELD", help=f"with --stdin: {KEY_HELP}"
    )
    parser.add_argument("--stream", default="ride_events", help="default: %(default)s")
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument("--rate", type=rate, metavar="R", help="rides a second; default: no limit")
    parser.add_argument("--seed", type=seed, help="repeat the same rides, under new ids")
    parser.add_argument(
        "--poison",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of invalid rides, 0 to 1",
    )
    return parser
