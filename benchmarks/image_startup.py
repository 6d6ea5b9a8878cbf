"""Measure the image as Lambda runs it: its size, its cold start and its warm invocations.

    make image
    .venv-test/bin/python -m benchmarks.image_startup

The container gets 512 MB of memory and one CPU. It returns its predictions (TEST_RUN) instead of
putting them, so the figures include no network, nor what Lambda does before a container starts,
such as fetching the image.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import numpy as np
from docker.models.containers import Container
from rich.console import Console
from rich.progress import track

from benchmarks.ride_batches import batch
from cli.arguments import Parser, whole_number
from cli.program import program
from local.errors import FunctionUnavailable, LocalError
from local.runtime_emulator import RuntimeEmulator
from scripts.image import BASE_IMAGE, MEGABYTE, NAME, added_bytes

MEMORY = "512m"
NANO_CPUS = 1_000_000_000
EMULATOR_PORT = "8080/tcp"
POLL_SECONDS = 0.005
START_SECONDS = 60.0
"""How long a container may take to respond: one that has ended never does."""

BATCHES = (1, 100)


@program(LocalError)
def main(argv: list[str] | None = None) -> int:
    """Run the program; return the exit status."""
    options = _parser().parse_args(argv)
    console = Console(soft_wrap=True)
    added = added_bytes(options.name, options.base) / MEGABYTE
    console.print(f"{added:.1f} MB added to {options.base}, unpacked")

    starts = [cold_start(options.name) for _ in track(range(options.starts), "cold starts")]
    console.print(summary("container start to first response", starts))
    for records in BATCHES:
        times = warm(options.name, records, options.invocations)
        console.print(summary(f"warm, {records} records", times))
    return 0


def cold_start(name: str) -> float:
    """Return the seconds from a container's start to its first response."""
    body = event(1)
    with created(name) as container:
        begin = time.perf_counter()
        first_response(container, body)
        return time.perf_counter() - begin


def warm(name: str, records: int, invocations: int) -> list[float]:
    """Return the seconds of each invocation after a container's first."""
    seconds, body = [], event(records)
    with created(name) as container:
        emulator = first_response(container, body)
        for _ in track(range(invocations), "warm invocations"):
            begin = time.perf_counter()
            emulator.invoke(body)
            seconds.append(time.perf_counter() - begin)
    return seconds


def event(records: int) -> bytes:
    """Return the JSON of an event with that many rides."""
    return json.dumps(batch(records)).encode()


@contextmanager
def created(name: str) -> Iterator[Container]:
    """Create a container without starting it, and remove it at the end."""
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


def first_response(container: Container, body: bytes) -> RuntimeEmulator:
    """Start a container and invoke its function as soon as the emulator listens.

    Raises:
        FunctionUnavailable: It did not respond within a minute.
        FunctionError: The function failed.
    """
    deadline = time.monotonic() + START_SECONDS
    container.start()
    container.reload()
    port = container.attrs["NetworkSettings"]["Ports"][EMULATOR_PORT][0]["HostPort"]
    emulator = RuntimeEmulator(f"http://127.0.0.1:{port}")
    while True:
        try:
            emulator.invoke(body)
        except FunctionUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return emulator


def summary(what: str, seconds: list[float]) -> str:
    """Return the median and the 99th percentile in one line."""
    p50, p99 = 1000 * np.percentile(seconds, (50, 99))
    return f"{what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(seconds)} times)"


def _parser() -> Parser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--name", default=NAME, help="the image; default: %(default)s")
    parser.add_argument("--base", default=BASE_IMAGE, help="its base; default: %(default)s")
    parser.add_argument("--starts", type=whole_number, default=20, help="default: %(default)s")
    parser.add_argument(
        "--invocations", type=whole_number, default=1_000, help="default: %(default)s"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
