"""Recommends to drivers who became free where to wait, on a feed for each driver.

`make example-recommender` runs it on this machine.
"""

import json
import random
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cli.program import program, run_program, stop_on_signal

if __name__ == "__main__":
    run_program("examples.recommender.__main__")  # before the slow imports

from cli.arguments import Parser, rate, seed, whole_number
from cli.printable import printable
from cli.run_folder import create_run_folder
from demo.errors import RidesUnavailable
from examples.local_functions import LocalFunctions, paced
from examples.recommender.driver_feeds import Feeds, feed_line
from examples.recommender.simulated_drivers import ended_rides, generated_trips, replayed_trips
from local.embedded_kinesis import embedded_kinesis
from local.errors import LocalError
from streaming import StreamReader
from streaming.errors import StreamingError

FOLDER = Path(__file__).parent
RIDES, FEED = "ride_events", "driver_feed"
IDLE_SECONDS = 30.0
"""A run ends when no recommendation came for so long."""


@program(LocalError, RidesUnavailable, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run the example; the exit status is 0 only if each feed is complete and in order."""
    parser = Parser(prog="python -m examples.recommender", description="Where to wait.")
    parser.add_argument("--rides", type=whole_number, default=100, metavar="N")
    parser.add_argument("--drivers", type=whole_number, default=12, metavar="N")
    parser.add_argument("--rate", type=rate, default=20.0, metavar="R", help="ends a second")
    parser.add_argument("--data", type=Path, metavar="FILE", help="a month of real trips, parquet")
    parser.add_argument("--driver", default="d1", metavar="ID", help="whose feed ends the output")
    parser.add_argument("--seed", type=seed, default=1, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path("build/recommender"))
    options = parser.parse_args(argv)
    stopped = threading.Event()
    draw = random.Random(options.seed)
    trips = (
        replayed_trips(options.data, options.rides)
        if options.data
        else generated_trips(options.rides, draw)
    )
    with stop_on_signal(stopped.set, signal.SIGHUP):
        folder = create_run_folder(options.folder)
        ends = ended_rides(trips, options.drivers, draw)
        feeds = run(ends, options.rate, folder, stopped)
    print(f"The feed of {printable(options.driver)}:")
    for each in feeds.feeds.get(options.driver, []):
        print(printable(feed_line(each)))
    print(*feeds.summary(), sep="\n")
    print(f"Logs and dead-letter records are in {folder}")
    return 0 if feeds.in_order else 1


def run(
    ends: list[dict[str, Any]], per_second: float, folder: Path, stopped: threading.Event
) -> Feeds:
    """Run the function, put ends of rides, and print recommendations until all have come.

    Args:
        ends: `ride_ended` events with drivers and zones.
        per_second: How many are put a second.
        folder: For logs and dead letters.
        stopped: Ends the run early.
    """
    feeds = Feeds()
    with embedded_kinesis(folder / "kinesis.log", port=0) as kinesis, ExitStack() as stack:
        functions = LocalFunctions(folder, kinesis.endpoint_url)
        print("Starting the recommender ...")
        consumer = functions.consumer("recommender", (RIDES, FEED), FOLDER)
        client = stack.enter_context(consumer).client
        reader = StreamReader(client, FEED, stopped=threading.Event())
        reading = threading.Thread(target=_read, args=(reader, feeds))
        reading.start()
        try:
            for end in paced(ends, per_second, stopped):
                feeds.ended(end)
                # By driver, so that one shard has all of a driver's rides, in order.
                data, key = json.dumps(end).encode(), end["driver_id"]
                client.put_record(StreamName=RIDES, PartitionKey=key, Data=data)
            while feeds.missing and not stopped.wait(0.1):
                if time.monotonic() - feeds.last > IDLE_SECONDS:
                    break
        finally:
            reader.stop()
            reading.join()
    return feeds


def _read(reader: StreamReader, feeds: Feeds) -> None:
    for record in reader:
        found = json.loads(record.data)["prediction"]
        if feeds.add(found):
            seconds = time.monotonic() - feeds.put.get(found["ride_id"], feeds.last)
            print(printable(f"{feed_line(found)} {seconds:.1f} s"), flush=True)
