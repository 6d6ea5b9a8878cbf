"""The same soak with this project's function and with a tutorial's, side by side.

Predictions are matched with rides by ride id and counted, since the tutorial's do not name the
event that they answer. Every event is a plain JSON record: it reads nothing else.
"""

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from cli.arguments import rate
from local.errors import LocalError
from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from streaming.errors import StreamingError
from tests.soak.__main__ import FOLDER, INTERRUPTED
from tests.soak.environment import HANDLER, MAPPING, SoakConfig
from tests.soak.reconciliation import Answer, Expected
from tests.soak.report import markdown, show
from tests.soak.result import Result
from tests.soak.soak import run
from tests.soak.workload import Workload

TUTORIAL = "tests.soak.course_handler.lambda_handler"
DEFAULT_MINUTES, DEFAULT_RATE = 1.0, 100.0
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Contender:
    """One column of the table.

    Attributes:
        name: Its head.
        handler: The function.
        mapping: Its event source mapping's parameters.
    """

    name: str
    handler: str
    mapping: EventSourceMappingConfiguration


CONTENDERS = (
    Contender("this project", HANDLER, MAPPING),
    Contender("one record at a time, AWS's defaults", TUTORIAL, EventSourceMappingConfiguration()),
    Contender(
        "one record at a time, 3 retries",
        TUTORIAL,
        EventSourceMappingConfiguration(maximum_retry_attempts=3),
    ),
)


@dataclass(frozen=True, slots=True)
class Count:
    """What a reader finds who counts predictions by ride id.

    Attributes:
        events: Ride events that had to be predicted.
        unanswered: Of those, how many lack a prediction.
        surplus: Predictions beyond those: duplicates, and answers to what is no ride.
    """

    events: int
    unanswered: int
    surplus: int


def count(expected: Expected, answers: Iterable[Answer]) -> Count:
    """Count predictions by ride id."""
    due = {ride_id: len(events) for ride_id, events in expected.order.items()}
    got = Counter(answer.ride_id for answer in answers)
    return Count(
        events=sum(due.values()),
        unanswered=sum(max(0, n - got[ride_id]) for ride_id, n in due.items()),
        surplus=sum(max(0, n - due.get(ride_id, 0)) for ride_id, n in got.items()),
    )


def column(result: Result) -> dict[str, str]:
    """Give one contender's cells by their rows."""
    found = count(result.expected, result.answers)
    mapping = result.mapping
    return {
        "ride events that had to be predicted": f"{found.events:,}",
        "without a prediction at the end": f"{found.unanswered:,}",
        "predictions too many, which nothing tells apart": f"{found.surplus:,}",
        "poison put": f"{len(result.expected.poison):,}",
        "in the dead letters": f"{result.verdict.dead:,}",
        "records that the mapping gave up": f"{mapping.records_discarded:,}",
        "shards stuck at the end": f"{result.stuck_shards} of {len(result.expected.last)}",
        "longest stall of a shard": f"{result.longest_stall:.0f} s",
        "invocations": f"{mapping.invocations:,}",
        "of which failed": f"{mapping.function_errors + mapping.partial_failures:,}",
        "seconds in all": f"{result.seconds:.0f}",
    }


def main(argv: list[str] | None = None) -> int:
    """Run every contender; the exit status is 0 only if this project kept its promise."""
    arguments = _parser().parse_args(argv)
    console = Console()
    folder = arguments.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-compare"
    folder.mkdir(parents=True)
    logging.basicConfig(filename=folder / "soak.log", format="%(asctime)s %(message)s")
    results = []
    for place, contender in enumerate(CONTENDERS):
        console.print(f"{contender.name} ...")
        setup = SoakConfig(
            folder=folder / str(place),
            workload=Workload(rides=None, seed=arguments.seed, plain_only=True),
            rate=arguments.rate,
            seconds=60 * arguments.minutes,
            handler=contender.handler,
            mapping=contender.mapping,
            timeout=TIMEOUT_SECONDS,
        )
        try:
            results.append(run(setup, console.print))
        except (LocalError, StreamingError) as error:
            console.print(f"error: {error}", style="red")
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED
    header = ["", *(contender.name for contender in CONTENDERS)]
    columns = [column(result) for result in results]
    body = [[row, *(cells[row] for cells in columns)] for row in columns[0]]
    show(console, "The same soak, three times", header, body)
    (folder / "table.md").write_text(markdown(header, body))
    console.print(f"Logs and this table are in {folder}")
    return 0 if results[0].passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.compare",
        description="The same soak with this project's function and with a tutorial's.",
    )
    parser.add_argument("--minutes", type=rate, default=DEFAULT_MINUTES, metavar="M")
    parser.add_argument("--rate", type=rate, default=DEFAULT_RATE, metavar="R")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
