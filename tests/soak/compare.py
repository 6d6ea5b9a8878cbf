"""The same soak with this project's function and with the course's handler, side by side.

Predictions are matched with rides by ride id and counted, because those of the course's handler do
not name their event. Every event is a plain JSON record, the only kind that it reads.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cli.program import program, run_program

if __name__ == "__main__":
    run_program("tests.soak.compare")  # before the slow imports

from rich.console import Console

from cli.arguments import rate
from local.errors import LocalError
from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from streaming.errors import StreamingError
from tests.soak.command_line import open_run_folder, soak_parser
from tests.soak.environment import HANDLER, MAPPING, SoakConfig
from tests.soak.reconciliation import Expected, ReceivedPrediction
from tests.soak.report import SoakResult, markdown, show
from tests.soak.soak import run
from tests.soak.workload import Workload

COURSE_HANDLER = "tests.soak.course_handler.lambda_handler"
DEFAULT_MINUTES, DEFAULT_RATE = 1.0, 100.0
TIMEOUT_SECONDS = 30.0

CONTENDERS = {
    "this project": (HANDLER, MAPPING),
    "the course's handler, AWS's defaults": (COURSE_HANDLER, EventSourceMappingConfiguration()),
    "the course's handler, 3 retries": (
        COURSE_HANDLER,
        EventSourceMappingConfiguration(maximum_retry_attempts=3),
    ),
}
"""By column: the function and its event source mapping's parameters."""


@dataclass(frozen=True, slots=True)
class PredictionCounts:
    """Predictions counted by ride id.

    Attributes:
        events: Ride events to predict.
        unpredicted: How many of them have no prediction.
        surplus: Predictions beyond those: duplicates, and predictions of what is not a ride.
    """

    events: int
    unpredicted: int
    surplus: int


def count(expected: Expected, predictions: Iterable[ReceivedPrediction]) -> PredictionCounts:
    """Count predictions by ride id."""
    due = {ride_id: len(events) for ride_id, events in expected.by_ride.items()}
    received = Counter(prediction.ride_id for prediction in predictions)
    return PredictionCounts(
        events=sum(due.values()),
        unpredicted=sum(max(0, n - received[ride_id]) for ride_id, n in due.items()),
        surplus=sum(max(0, n - due.get(ride_id, 0)) for ride_id, n in received.items()),
    )


def column(result: SoakResult) -> dict[str, str]:
    """Return one contender's cells by row."""
    counts = count(result.expected, result.predictions)
    mapping = result.mapping
    return {
        "ride events to predict": f"{counts.events:,}",
        "ride events without a prediction": f"{counts.unpredicted:,}",
        "surplus predictions": f"{counts.surplus:,}",
        "poison events": f"{len(result.expected.poison):,}",
        "dead-letter records": f"{result.reconciliation.dead_lettered:,}",
        "records discarded by the mapping": f"{mapping.records_discarded:,}",
        "shards stuck at the end": f"{result.stuck_shards} of {len(result.expected.last)}",
        "longest stall of a shard": f"{result.longest_stall:.0f} s",
        "invocations": f"{mapping.invocations:,}",
        "of which failed": f"{mapping.function_errors + mapping.partial_failures:,}",
        "total time": f"{result.seconds:.0f} s",
    }


@program(LocalError, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run every contender; the exit status is 0 only if this project passed."""
    parser = soak_parser(
        "tests.soak.compare",
        "The same soak with this project's function and with the course's handler.",
        default_rate=DEFAULT_RATE,
    )
    parser.add_argument("--minutes", type=rate, default=DEFAULT_MINUTES, metavar="M")
    arguments = parser.parse_args(argv)
    console = Console()
    folder = open_run_folder(arguments.folder, "-compare")
    results = []
    for number, (name, (handler, mapping)) in enumerate(CONTENDERS.items()):
        console.print(f"{name} ...")
        config = SoakConfig(
            folder=folder / str(number),
            workload=Workload(rides=None, seed=arguments.seed, plain_only=True),
            rate=arguments.rate,
            seconds=60 * arguments.minutes,
            handler=handler,
            mapping=mapping,
            timeout=TIMEOUT_SECONDS,
            restart_reader=False,  # only one function names its events: duplicates are counted
        )
        results.append(run(config, console.print))
    header = ["", *CONTENDERS]
    columns = [column(result) for result in results]
    body = [[row, *(cells[row] for cells in columns)] for row in columns[0]]
    show(console, "The same soak with each function", header, body)
    (folder / "table.md").write_text(markdown(header, body))
    console.print(f"Logs and this table are in {folder}")
    return 0 if results[0].passed else 1
