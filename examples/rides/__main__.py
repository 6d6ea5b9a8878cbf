"""Duration and tip as two functions of one model each, joined to one quote per ride.

`make example-rides` runs it on this machine.
"""

import json
import random
import signal
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from cli.program import program, run_program, stop_on_signal

if __name__ == "__main__":
    run_program("examples.rides.__main__")  # before the slow imports

from cli.arguments import Parser, rate, seed, whole_number
from cli.run_folder import create_run_folder
from demo.ride_generator import generate_rides, last_week, read_statistics
from examples.local_functions import LocalFunctions, paced
from local.embedded_kinesis import embedded_kinesis
from local.errors import LocalError
from streaming import StreamReader
from streaming.errors import StreamingError

FOLDER = Path(__file__).parent
RIDES, PREDICTIONS, DECISIONS, QUOTES = (
    "ride_events",
    "ride_predictions",
    "ride_quotes",
    "app_quotes",
)
TARGETS = ("duration", "tip")
IDLE_SECONDS = 30.0
"""A run ends when no quote came for so long."""


@dataclass(slots=True)
class Quoted:
    """What came of a run.

    Attributes:
        put: The rides that were put, with the time of each.
        quotes: The newest quote of each ride.
        complete: Rides whose quote has both a duration and a tip.
        repeated: Quotes that came twice, and were dropped.
        revised: Quotes that replaced another.
        last: When the last one came.
    """

    put: dict[int, float] = field(default_factory=dict)
    quotes: dict[int, dict[str, Any]] = field(default_factory=dict)
    complete: int = 0
    repeated: int = 0
    revised: int = 0
    last: float = field(default_factory=time.monotonic)

    def add(self, quote: dict[str, Any]) -> bool:
        """Take a quote; return whether it is new."""
        self.last = time.monotonic()
        before = self.quotes.get(quote["ride_id"])
        if before is not None and before["quote"] >= quote["quote"]:
            self.repeated += 1
            return False
        self.revised += before is not None
        self.complete += _is_complete(quote) - _is_complete(before)
        self.quotes[quote["ride_id"]] = quote
        return True

    def summary(self) -> str:
        """Return the sums in one line."""
        asked = sum(quote["ask_for_tip"] for quote in self.quotes.values())
        return (
            f"{len(self.put)} rides, {len(self.quotes)} quotes, {self.complete} of them with both "
            f"predictions; {asked} ask for a tip; {self.revised} were revised, {self.repeated} "
            "came twice and were dropped"
        )


def _is_complete(quote: dict[str, Any] | None) -> bool:
    return quote is not None and None not in (quote["minutes"], quote["suggested_tip"])


@program(LocalError, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run the example; the exit status is 0 only if every ride got a quote with both."""
    parser = Parser(prog="python -m examples.rides", description="One quote for each ride.")
    parser.add_argument("--rides", type=whole_number, default=100, metavar="N")
    parser.add_argument("--rate", type=rate, default=20.0, metavar="R", help="rides a second")
    parser.add_argument("--seed", type=seed, default=1, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path("build/rides"))
    options = parser.parse_args(argv)
    stopped = threading.Event()
    rides = generate_rides(
        read_statistics(),
        random.Random(options.seed),
        first_ride_id=1,
        week=last_week(datetime.now(UTC).replace(tzinfo=None)),
    )
    with stop_on_signal(stopped.set, signal.SIGHUP):
        folder = create_run_folder(options.folder)
        quoted = run(list(islice(rides, options.rides)), options.rate, folder, stopped)
    print(quoted.summary())
    print(f"Logs and dead-letter records are in {folder}")
    return 0 if quoted.complete == len(quoted.put) else 1


def run(
    rides: list[dict[str, Any]], per_second: float, folder: Path, stopped: threading.Event
) -> Quoted:
    """Run every function, put rides, and print quotes until all have come.

    Args:
        rides: `ride_started` events.
        per_second: How many are put a second.
        folder: For logs and dead letters.
        stopped: Ends the run early.
    """
    quoted = Quoted()
    with embedded_kinesis(folder / "kinesis.log", port=0) as kinesis, ExitStack() as stack:
        functions = LocalFunctions(folder, kinesis.endpoint_url)
        for target in TARGETS:
            print(f"Starting {target} ...")
            own = {"MODELS": target}
            streams = (RIDES, PREDICTIONS)
            stack.enter_context(functions.consumer(target, streams, environment=own))
        stack.enter_context(functions.consumer("app", (DECISIONS, QUOTES), FOLDER / "app"))
        inputs, policy = (PREDICTIONS, RIDES), FOLDER / "policy.json"
        client = stack.enter_context(functions.decisions(inputs, DECISIONS, policy)).client
        reader = StreamReader(client, QUOTES, stopped=threading.Event())
        reading = threading.Thread(target=_read, args=(reader, quoted))
        reading.start()
        try:
            for ride in paced(rides, per_second, stopped):
                quoted.put[ride["ride_id"]] = quoted.last = time.monotonic()
                data, key = json.dumps(ride).encode(), str(ride["ride_id"])
                client.put_record(StreamName=RIDES, PartitionKey=key, Data=data)
            while quoted.complete < len(quoted.put) and not stopped.wait(0.1):
                if time.monotonic() - quoted.last > IDLE_SECONDS:
                    break
        finally:
            reader.stop()
            reading.join()
    return quoted


def _read(reader: StreamReader, quoted: Quoted) -> None:
    for record in reader:
        quote = json.loads(record.data)["prediction"]
        if quoted.add(quote):
            seconds = time.monotonic() - quoted.put.get(quote["ride_id"], quoted.last)
            print(_line(quote, seconds), flush=True)


def _line(quote: dict[str, Any], seconds: float) -> str:
    minutes, tip = quote["minutes"], quote["suggested_tip"]
    length = "no duration" if minutes is None else f"about {minutes:.0f} minutes"
    asked = f"tip ${tip:.2f}?" if quote["ask_for_tip"] else ""
    return f"ride {quote['ride_id']:>4}: {length:<17} {asked:<12} {seconds:.1f} s"
