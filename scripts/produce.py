"""Put rides on a stream: generated ones, real trips, or what comes on standard input.

It works against any endpoint: KINESIS_ENDPOINT_URL or --endpoint-url name one, else it is AWS.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from local.arguments import rate, share, whole_number
from local.errors import RidesUnavailable
from local.producing import in_calls, paced
from local.rides import read_statistics
from local.sources import drawn_rides, replayed_rides
from streaming.clients import kinesis_client
from streaming.errors import StreamingError
from streaming.publisher import Entry, Publisher, PutRecordsClient

PATIENCE_SECONDS = 60.0
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
        publisher = Publisher(
            client or _client(arguments.endpoint_url), arguments.stream, clock=clock, sleep=sleep
        )
        put(paced(entries, arguments.rate, clock=clock, sleep=sleep), publisher, tally, clock)
    except (RidesUnavailable, StreamingError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print(f"Interrupted: {tally}", file=sys.stderr)
        return INTERRUPTED
    print(f"{tally} by {arguments.stream} in {clock() - started:.1f} s")
    if tally.failure:
        print(f"Given up: {tally.failure}", file=sys.stderr)
    return 0 if tally.accepted == tally.put else 1


def put(
    batches: Iterable[list[Entry]], publisher: Publisher, tally: Tally, clock: Callable[[], float]
) -> None:
    """Put batches until one is not accepted in spite of all patience, and keep the tally."""
    for batch in batches:
        tally.put += len(batch)
        outcome = publisher.publish(batch, clock() + PATIENCE_SECONDS)
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
        lines = ((next(number), line.strip()) for line in group)
        yield [
            {"Data": line, "PartitionKey": _ride_id(line) or f"line-{place}"}
            for place, line in lines
            if line
        ]


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
            print(f"{source.skipped:,} rows of {arguments.replay} break the contract: skipped")
    else:
        source = drawn_rides(read_statistics(), count=arguments.generate, **chance)
    return in_calls(ride.entry for ride in source.rides)


def _client(endpoint_url: str | None) -> Any:
    # The publisher alone retries: it resends only what was refused.
    return kinesis_client(endpoint_url, retries={"total_max_attempts": 1, "mode": "standard"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--generate", type=whole_number, metavar="N", help="N rides like real ones")
    source.add_argument("--replay", type=Path, metavar="FILE", help="a month of green-taxi trips")
    source.add_argument("--stdin", action="store_true", help="one JSON event a line")
    parser.add_argument("--stream", default="ride_events", help="default: %(default)s")
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument("--rate", type=rate, metavar="R", help="rides a second; default: no limit")
    parser.add_argument("--seed", type=int, help="the same rides again, under new ids")
    parser.add_argument(
        "--poison", type=share, default=0.0, metavar="SHARE", help="spoil this share of the rides"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
