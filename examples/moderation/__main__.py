"""The whole example on this machine: `make example-moderation`."""

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
    run_program("examples.moderation.__main__")  # before the slow imports

from cli.arguments import Parser, rate, seed, whole_number
from cli.printable import printable
from cli.run_folder import create_run_folder
from examples.local_functions import TICK_SECONDS, LocalFunctions, paced
from examples.moderation.outcome_counts import Moderation
from examples.moderation.uploads import Upload, drawn_uploads
from local.embedded_kinesis import embedded_kinesis
from local.errors import LocalError
from streaming import StreamReader
from streaming.errors import StreamingError

FOLDER = Path(__file__).parent
UPLOADS, CHECKED, DECISIONS = "uploads", "upload_checks", "upload_decisions"
NOTIFICATIONS, REVIEWS = "notifications", "review_queue"
CONSUMERS = {
    "copyright": (UPLOADS, CHECKED),
    "language": (UPLOADS, CHECKED),
    "image": (UPLOADS, CHECKED),
    "notify": (DECISIONS, NOTIFICATIONS),
    "review": (DECISIONS, REVIEWS),
}
"""The consumers, each in the folder of its name, with their streams."""

IDLE_SECONDS = 30.0
"""A run ends when nothing was decided for so long."""


@program(LocalError, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run the example; the exit status is 0 only if every upload was decided, and each once."""
    parser = Parser(prog="python -m examples.moderation", description="Moderated uploads.")
    parser.add_argument("--uploads", type=whole_number, default=200, metavar="N")
    parser.add_argument("--rate", type=rate, default=20.0, metavar="R", help="uploads a second")
    parser.add_argument("--seed", type=seed, default=1, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path("build/moderation"))
    options = parser.parse_args(argv)
    folder = create_run_folder(options.folder)
    stopped = threading.Event()
    uploads = drawn_uploads(options.uploads, random.Random(options.seed))
    with stop_on_signal(stopped.set, signal.SIGHUP):
        moderation = run(uploads, options.rate, folder, stopped)
    for line in moderation.summary():
        print(line)
    print(f"Logs and dead-letter records are in {folder}")
    return 0 if moderation.passed else 1


def run(
    uploads: list[Upload], per_second: float, folder: Path, stopped: threading.Event
) -> Moderation:
    """Run every function, put uploads, and print decisions until all have come.

    Args:
        uploads: The uploads.
        per_second: How many are put a second.
        folder: For logs and dead letters.
        stopped: Ends the run early.
    """
    with embedded_kinesis(folder / "kinesis.log", port=0) as kinesis, ExitStack() as stack:
        functions = LocalFunctions(folder, kinesis.endpoint_url)
        for name, streams in CONSUMERS.items():
            print(f"Starting {name} ...")
            stack.enter_context(functions.consumer(name, streams, FOLDER / name))
        policy = FOLDER / "policy.json"
        pipeline = stack.enter_context(functions.decisions((CHECKED, UPLOADS), DECISIONS, policy))
        client = pipeline.client
        moderation = Moderation()
        readers = [
            StreamReader(client, stream, stopped=threading.Event(), duplicate_window=0)
            for stream in (NOTIFICATIONS, REVIEWS)
        ]
        reading = [
            threading.Thread(target=_read, args=(reader, moderation, show))
            for reader, show in zip(readers, (True, False), strict=True)
        ]
        for thread in reading:
            thread.start()
        try:
            _put(client, uploads, per_second, moderation, stopped)
            _wait(moderation, stopped)
        finally:
            for reader in readers:
                reader.stop()
            for thread in reading:
                thread.join()
    moderation.dead_letters = functions.dead_letters()
    return moderation


def _put(
    client: Any,
    uploads: list[Upload],
    per_second: float,
    moderation: Moderation,
    stopped: threading.Event,
) -> None:
    for upload in paced(uploads, per_second, stopped):
        moderation.put(upload, time.time())
        data = json.dumps(upload.event()).encode()
        client.put_record(StreamName=UPLOADS, PartitionKey=upload.upload_id, Data=data)


def _wait(moderation: Moderation, stopped: threading.Event) -> None:
    """Wait until each upload has been decided, also those that wait for a check in vain."""
    while moderation.undecided and moderation.idle(time.time()) < IDLE_SECONDS:
        if stopped.wait(0.1):
            return
    stopped.wait(2 * TICK_SECONDS)  # for what revises the last ones


def _read(reader: StreamReader, moderation: Moderation, show: bool) -> None:  # noqa: FBT001
    for record in reader:
        found = json.loads(record.data)["prediction"]
        if not show:
            moderation.queue(found)
        elif line := moderation.notified(found, time.time()):
            print(printable(line), flush=True)
