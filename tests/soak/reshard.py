"""Resharding under load: both streams split and merge while rides flow. `make reshard`.

The same pipeline and the same faults as in the soak, on kinesis-local.
"""

import time
from collections.abc import Callable
from typing import Any

from cli.program import program, run_program

if __name__ == "__main__":
    run_program("tests.soak.reshard")  # before the slow imports

from rich.console import Console

from cli.arguments import whole_number
from local.embedded_kinesis import stream_status
from local.errors import LocalError
from streaming.errors import StreamingError
from tests.soak.command_line import open_run_folder, soak_parser
from tests.soak.environment import PREDICTIONS, RIDES, SoakConfig
from tests.soak.kinesis_local import kinesis_local, missing_tools
from tests.soak.reconciliation import Expected
from tests.soak.report import print_report
from tests.soak.soak import run
from tests.soak.workload import Workload

SHARDS = 2
DEFAULT_RIDES, DEFAULT_RATE = 2_500, 80.0
"""kinesis-local slows down beyond about 5,000 records on a stream."""

PAUSE_SECONDS = 6.0
POLL_SECONDS = 0.2


class Resharder:
    """Splits every shard of both streams in two and merges them again.

    Args:
        progress: Called with a line for the user after each step.
        pause: Seconds for which records flow before splitting, before merging, and after that.
        sleep: Waits for some seconds.

    Attributes:
        steps: The splits and merges done.
    """

    def __init__(
        self,
        progress: Callable[[str], None],
        *,
        pause: float = PAUSE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.steps: list[str] = []
        self._progress = progress
        self._pause = pause
        self._sleep = sleep

    def __call__(self, client: Any) -> None:
        """Split and merge, with records flowing in between."""
        for step in (self._split, self._merge):
            self._sleep(self._pause)
            for stream in (RIDES, PREDICTIONS):
                step(client, stream)
        self._sleep(self._pause)

    def _split(self, client: Any, stream: str) -> None:
        for shard in open_shards(client, stream):
            hashes = shard["HashKeyRange"]
            middle = (int(hashes["StartingHashKey"]) + int(hashes["EndingHashKey"])) // 2
            client.split_shard(
                StreamName=stream,
                ShardToSplit=shard["ShardId"],
                NewStartingHashKey=str(middle),
            )
            self._wait(client, stream, f"split {shard['ShardId']}")

    def _merge(self, client: Any, stream: str) -> None:
        shards = open_shards(client, stream)
        for left, right in zip(shards[::2], shards[1::2], strict=True):
            client.merge_shards(
                StreamName=stream,
                ShardToMerge=left["ShardId"],
                AdjacentShardToMerge=right["ShardId"],
            )
            self._wait(client, stream, f"merged {left['ShardId']} and {right['ShardId']}")

    def _wait(self, client: Any, stream: str, step: str) -> None:
        while stream_status(client, stream) != "ACTIVE":
            self._sleep(POLL_SECONDS)
        self.steps.append(f"{stream}: {step}")
        self._progress(f"  {stream}: {step}; shards open: {len(open_shards(client, stream))}")


def open_shards(client: Any, stream: str) -> list[Any]:
    """Return the open shards of a stream in the order of their hash keys."""
    shards = client.list_shards(StreamName=stream)["Shards"]
    still_open = [s for s in shards if not s["SequenceNumberRange"].get("EndingSequenceNumber")]
    return sorted(still_open, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))


@program(LocalError, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run a soak with resharding; the exit status is 0 only if it passed, or node is missing."""
    parser = soak_parser(
        "tests.soak.reshard", "Split and merge shards while rides flow.", default_rate=DEFAULT_RATE
    )
    parser.add_argument("--rides", type=whole_number, default=DEFAULT_RIDES, metavar="N")
    arguments = parser.parse_args(argv)
    console = Console()
    if missing := missing_tools():
        console.print(f"SKIPPED: kinesis-local needs {' and '.join(missing)}: not found")
        return 0
    folder = open_run_folder(arguments.folder, "-reshard")
    resharder = Resharder(console.print)
    config = SoakConfig(
        folder=folder,
        workload=Workload(rides=arguments.rides, seed=arguments.seed, rides_per_record=3),
        rate=arguments.rate,
        shards=SHARDS,
        output_shards=SHARDS,
        kinesis=lambda: kinesis_local(folder),
        meanwhile=resharder,
    )
    result = run(config, console.print)
    print_report(console, result, folder)
    moved = rides_on_several_shards(result.expected)
    console.print(
        f"{len(resharder.steps)} splits and merges; rides with events on several shards: {moved:,}"
    )
    return 0 if result.passed and moved else 1


def rides_on_several_shards(expected: Expected) -> int:
    """Count the rides with events on several shards, whose order a reshard could break."""
    return sum(
        len({event_id.partition(":")[0] for event_id in event_ids}) > 1
        for event_ids in expected.by_ride.values()
    )
