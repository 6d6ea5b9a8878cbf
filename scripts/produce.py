"""Put rides on a stream: generated ones, real trips, or what comes on standard input.

It works against any endpoint: KINESIS_ENDPOINT_URL or --endpoint-url name one, else it is AWS.
"""

import argparse
import itertools
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
if __name__ == "__main__":
    # Ctrl-C during the imports ends the program without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import msgspec

from cli.arguments import Parser, rate, seed, share, whole_number
from cli.endpoint import Announced, endpoint_client, named_endpoint
from demo.producer import paced_batches, put_records_batches
from demo.ride_generator import read_statistics
from demo.ride_sources import drawn_rides, replayed_rides
from local.errors import LocalError
from streaming.errors import StreamingError
from streaming.publisher import (
    ENTRY_BYTES,
    PARTITION_KEY_CHARACTERS,
    Entry,
    Publisher,
    PutRecordsClient,
    entry_bytes,
)

TIMEOUT_SECONDS = 60.0
"""How long rides are sent again that Kinesis refuses."""

READ_BYTES = 65_536

INTERRUPTED = 130
"""A shell's exit status for Ctrl-C."""


@dataclass(slots=True)
class Tally:
    """What became of the rides.

    Attributes:
        put: Rides tried.
        accepted: Those that are on the stream.
        not_accepted: Those that are not.
        resent: How many times a ride was sent again.
        failure: Why the last ones were not accepted.
    """

    put: int = 0
    accepted: int = 0
    not_accepted: int = 0
    resent: int = 0
    failure: str | None = None

    def __str__(self) -> str:
        """Sum up in one line."""
        unknown = self.put - self.accepted - self.not_accepted
        parts = [f"{self.accepted:,} of {self.put:,} rides accepted"]
        parts += [f"{self.not_accepted:,} not accepted"] if self.not_accepted else []
        parts += [f"{unknown:,} interrupted on the way"] if unknown else []
        parts += [f"{self.resent:,} resent"] if self.resent else []
        return ", ".join(parts)


def main(
    argv: list[str] | None = None,
    *,
    client: PutRecordsClient | None = None,
    stdin: BufferedIOBase | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Run the program; its exit status is 0 only if every ride was accepted."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    tally = Tally()
    started = clock()
    try:
        entries = _entries(arguments, stdin or cast("BufferedIOBase", sys.stdin.buffer))
        announced = _announced(client, arguments.endpoint_url)
        publisher = Publisher(announced, arguments.stream, clock=clock, sleep=sleep)
        put(
            paced_batches(entries, arguments.rate, clock=clock, sleep=sleep),
            publisher,
            tally,
            clock,
        )
    except (LocalError, StreamingError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print(f"Interrupted: {tally}", file=sys.stderr)
        return INTERRUPTED
    print(f"{tally} by {arguments.stream} in {clock() - started:.1f} s")
    if tally.failure:
        reason = announced.failure and f"cannot put on {arguments.stream}: {announced.failure}"
        print(f"Given up: {reason or tally.failure}", file=sys.stderr)
    return 0 if tally.accepted == tally.put else 1


def put(
    batches: Iterable[list[Entry]], publisher: Publisher, tally: Tally, clock: Callable[[], float]
) -> None:
    """Put batches until one is not accepted in spite of all patience, and keep the tally."""
    for batch in batches:
        tally.put += len(batch)
        outcome = publisher.publish(batch, clock() + TIMEOUT_SECONDS)
        tally.accepted += outcome.accepted
        tally.not_accepted += len(batch) - outcome.accepted
        tally.resent += outcome.retried
        tally.failure = outcome.failure
        if outcome.refused:
            return


def arriving_lines(stdin: BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield lines in groups, as soon as they can be read, so that a slow source is not held up."""
    rest = b""
    while chunk := stdin.read1(READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield lines
    yield [rest]


def line_entries(groups: Iterable[list[bytes]]) -> Iterator[list[Entry]]:
    """Put lines as they are; the partition key is the ride's id, else the line's number."""
    number = itertools.count(1)
    for group in groups:
        entries: list[Entry] = []
        for place, line in ((next(number), line.strip()) for line in group):
            if line:
                entry: Entry = {"Data": line, "PartitionKey": _ride_id(line) or f"line-{place}"}
                _warn_of_size(place, entry)
                entries.append(entry)
        yield entries


def _warn_of_size(line: int, entry: Entry) -> None:
    """Name a line that Kinesis never takes; the publisher leaves it out."""
    size, characters = entry_bytes(entry), len(entry["PartitionKey"])
    complaint = None
    if size > ENTRY_BYTES:
        complaint = f"{size:,} bytes with its partition key; allowed: {ENTRY_BYTES:,}"
    elif characters > PARTITION_KEY_CHARACTERS:
        complaint = f"a ride_id of {characters:,} characters; allowed: {PARTITION_KEY_CHARACTERS}"
    if complaint:
        print(f"Line {line:,} has {complaint}", file=sys.stderr)


def _ride_id(data: bytes) -> str | None:
    try:
        return str(msgspec.json.decode(data)["ride_id"]) or None
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):
        return None


def _entries(arguments: argparse.Namespace, stdin: BufferedIOBase) -> Iterator[list[Entry]]:
    if arguments.stdin:
        return line_entries(arriving_lines(stdin))
    chance = {"seed": arguments.seed, "poison_share": arguments.poison}
    if arguments.replay:
        source = replayed_rides(arguments.replay, **chance)
        if source.skipped:
            print(f"{source.skipped:,} rows of {arguments.replay} break the contract: left out")
    else:
        source = drawn_rides(read_statistics(), count=arguments.generate, **chance)
    return put_records_batches(ride.entry for ride in source.rides)


def _announced(client: PutRecordsClient | None, option: str | None) -> Announced:
    endpoint_url = named_endpoint(option)
    # The publisher alone retries: it resends only what was refused.
    once = {"total_max_attempts": 1, "mode": "standard"}
    return Announced(
        client or endpoint_client(endpoint_url, retries=once),
        endpoint_url,
        lambda failure: print(
            f"{failure}; trying for {TIMEOUT_SECONDS:.0f} s", file=sys.stderr, flush=True
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--generate", type=whole_number, metavar="N", help="N rides like real ones")
    source.add_argument("--replay", type=Path, metavar="FILE", help="a month of green-taxi trips")
    source.add_argument("--stdin", action="store_true", help="one JSON event a line")
    parser.add_argument("--stream", default="ride_events", help="default: %(default)s")
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument("--rate", type=rate, metavar="R", help="rides a second; default: no limit")
    parser.add_argument("--seed", type=seed, help="the same rides again, under new ids")
    parser.add_argument(
        "--poison", type=share, default=0.0, metavar="SHARE", help="spoil this share of the rides"
    )
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
