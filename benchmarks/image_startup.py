"""Measure the image as Lambda runs it: its size, its cold start, its warm invocations.

    make image
    python -m benchmarks.image_startup

The container gets 512 MB of memory and one CPU. It answers its predictions (TEST_RUN) instead of
putting them, so that no network is in the figures. What Lambda does before a container starts, such
as fetching the image, is not in them either.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.models.containers import Container
from rich.console import Console
from rich.progress import track

from local.errors import FunctionUnavailable
from local.runtime_emulator import RuntimeEmulator
from scripts.image import BASE_IMAGE, MEGABYTE, NAME, added_bytes

EVENT = Path(__file__).resolve().parent.parent / "tests" / "events" / "kinesis.json"
MEMORY = "512m"
NANO_CPUS = 1_000_000_000
EMULATOR_PORT = "8080/tcp"
POLL_SECONDS = 0.005
BATCHES = (1, 100)


def main(argv: list[str] | None = None) -> None:
    """Run the program."""
    options = _parser().parse_args(argv)
    console = Console(soft_wrap=True)
    added = added_bytes(options.name, options.base) / MEGABYTE
    console.print(f"{added:.1f} MB added to {options.base}, unpacked")

    one = batch(1)
    starts = [cold_start(options.name, one) for _ in track(range(options.starts), "cold starts")]
    console.print(summary("container start to first answer", starts))
    for records in BATCHES:
        times = warm(options.name, batch(records), options.invocations)
        console.print(summary(f"warm, {records} records", times))


def batch(records: int) -> bytes:
    """Make an event of so many of AWS's example record, each with a sequence number of its own."""
    event = json.loads(EVENT.read_text())
    (example,) = event["Records"]
    first = int(example["kinesis"]["sequenceNumber"])
    event["Records"] = [copy.deepcopy(example) for _ in range(records)]
    for offset, record in enumerate(event["Records"]):
        record["kinesis"]["sequenceNumber"] = str(first + offset)
        record["eventID"] = f"shardId-000000000000:{first + offset}"
    return json.dumps(event).encode()


def cold_start(name: str, event: bytes) -> float:
    """Give the seconds from a container's start to its first answer."""
    with created(name) as container:
        begun = time.perf_counter()
        answer(started(container), event)
        return time.perf_counter() - begun


def warm(name: str, event: bytes, invocations: int) -> list[float]:
    """Give the seconds of each invocation of a container that has answered before."""
    with created(name) as container:
        emulator = started(container)
        answer(emulator, event)
        return [
            timed(lambda: emulator.invoke(event))
            for _ in track(range(invocations), "warm invocations")
        ]


@contextmanager
def created(name: str) -> Iterator[Container]:
    """Create a container, not started yet, and remove it at the end."""
    container = docker.from_env().containers.create(
        name,
        environment={"TEST_RUN": "True"},
        mem_limit=MEMORY,
        nano_cpus=NANO_CPUS,
        ports={EMULATOR_PORT: ("127.0.0.1", None)},
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def started(container: Container) -> RuntimeEmulator:
    """Start a container and find its emulator, which need not listen yet."""
    container.start()
    container.reload()
    port = container.attrs["NetworkSettings"]["Ports"][EMULATOR_PORT][0]["HostPort"]
    return RuntimeEmulator(f"http://127.0.0.1:{port}")


def answer(emulator: RuntimeEmulator, event: bytes) -> None:
    """Invoke the function as soon as its emulator listens."""
    while True:
        try:
            emulator.invoke(event)
        except FunctionUnavailable:
            time.sleep(POLL_SECONDS)
        else:
            return


def timed(call: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def summary(what: str, times: list[float]) -> str:
    """Write the median and the 99th percentile in one line."""
    p99 = statistics.quantiles(times, n=100, method="inclusive")[-1]
    return (
        f"{what}: p50 {statistics.median(times) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms "
        f"({len(times)} times)"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--name", default=NAME, help="the image; default: %(default)s")
    parser.add_argument("--base", default=BASE_IMAGE, help="its base; default: %(default)s")
    parser.add_argument("--starts", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--invocations", type=int, default=1_000, help="default: %(default)s")
    return parser


if __name__ == "__main__":
    main()
