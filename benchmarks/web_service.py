"""The web service beside the usual ways to serve a model, in one run. `make bench-web`.

wrk asks each service in turns, round by round, each connection again as soon as it has its answer.
At half load `benchmarks.open_loop` asks. What is compared is ratios: of the medians of the rounds.
"""

import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.machine import describe
from benchmarks.ride_batches import rides
from benchmarks.web_contenders import COMMANDS, COURSE_MODEL, FLASK, MLFLOW
from cli.arguments import Parser
from cli.program import program, run_program

BUILD = Path("build")
CONNECTIONS = (1, 32, 256)
ROWS = (1, 100)
HALF_LOAD = (32, 1)
"""Connections and rows of the load of which half is asked, too."""

START_SECONDS = 120.0
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = {body}
done = function(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    bad + summary.errors.timeout))
end
"""


class BenchError(Exception):
    """Something that the benchmark needs is missing, or a service fails."""


class Load(msgspec.Struct):
    """What was measured in one round.

    Attributes:
        a_second: Requests that were answered.
        p50: Latency in microseconds, as all of them.
        p99: Latency.
        p999: Latency.
        failed: Requests that failed or took more than 20 s.
    """

    a_second: float
    p50: float
    p99: float
    p999: float
    failed: float


class Measured(msgspec.Struct):
    """One service under one load: the medians of its rounds."""

    service: str
    connections: int
    rows: int
    load: Load


class WebResults(msgspec.Struct):
    """One run."""

    machine: dict[str, Any]
    measured: list[Measured]
    half_load: list[Measured]


@program(BenchError)
def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the tables and write them to `build/`."""
    parser = Parser(prog="python -m benchmarks.web_service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=3, help="of each round, %(default)s")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another service; {port} in its command is the port",
    )
    options = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        raise BenchError("wrk is not installed (apt-get install wrk)")
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    clients = _Clients(folder, options.rounds, options.seconds)
    load_before = os.getloadavg()[0]
    commands = {name: (sys.executable, *command) for name, command in COMMANDS.items()}
    for each in options.also:
        name, _, command = each.partition("=")
        commands[name] = tuple(command.split())
    with ExitStack() as stack:
        environment = {**os.environ, COURSE_MODEL: str(_course_model(folder))}
        ports = {
            name: stack.enter_context(_serving(command, environment, folder))
            for name, command in commands.items()
        }
        measured: list[Measured] = []
        half: list[Measured] = []
        for rows in ROWS:
            for connections in CONNECTIONS:
                found = [*clients.full_load(ports, connections, rows)]
                measured += found
                if (connections, rows) == HALF_LOAD:
                    half = [clients.half_load(ports[each.service], each) for each in found]
    results = WebResults(msgspec.to_builtins(describe(load_before)), measured, half)
    (BUILD / "web-bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    text = tables(results)
    (folder / "web-tables.md").write_text(text)
    print(text)
    return 0


def tables(results: WebResults) -> str:
    """Return the tables of a run, in Markdown."""
    lines: list[str] = []
    for rows in ROWS:
        lines += [
            f"\n{rows} ride{'s' if rows > 1 else ''} a request\n",
            "| service | connections | requests/s | to the course's | p50 ms | p99 ms | p99.9 ms |",
            "|---|--:|--:|--:|--:|--:|--:|",
        ]
        for connections in CONNECTIONS:
            found = [
                each
                for each in results.measured
                if (each.connections, each.rows) == (connections, rows)
            ]
            course = next(each.load.a_second for each in found if each.service == FLASK)
            lines += [
                f"| {each.service} | {connections} | {each.load.a_second:,.0f} "
                f"| {_times(each.load.a_second, course)} | {_latencies(each.load)} |"
                for each in found
            ]
    lines += [
        "\nAt half of its own requests/s, 32 connections, one ride a request\n",
        "| service | requests/s | p50 ms | p99 ms | p99.9 ms |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {each.service} | {each.load.a_second:,.0f} | {_latencies(each.load)} |"
        for each in results.half_load
    ]
    return "\n".join(lines) + "\n"


def _times(a_second: float, course: float) -> str:
    return f"{a_second / course:.2g}x" if course else "-"


def _latencies(load: Load) -> str:
    failed = f" ({load.failed:.0f} failed)" if load.failed else ""
    return " | ".join(f"{us / 1000:.2f}" for us in (load.p50, load.p99, load.p999)) + failed


@dataclass(frozen=True, slots=True)
class _Clients:
    """Asks services, in rounds of some seconds; its script is written to the folder."""

    folder: Path
    rounds: int
    seconds: int

    def full_load(
        self, ports: Mapping[str, int], connections: int, rows: int
    ) -> Iterator[Measured]:
        """Ask all services in turns, as fast as they answer."""
        print(f"{connections} connections, {rows} rows ...", file=sys.stderr)
        # A second for each list of 100, and it would go on with 256 of them beside the next load.
        asked = [name for name in ports if rows == 1 or name != MLFLOW]
        found: dict[str, list[Load]] = {name: [] for name in asked}
        for _ in range(self.rounds):
            for name in asked:
                found[name].append(self._ask(ports[name], connections, rows))
                if not _predicts(ports[name]):  # behind all that wrk has left in its queue
                    raise BenchError(f"{name} answers no more")
        for name, loads in found.items():
            yield Measured(name, connections, rows, _median(loads))

    def half_load(self, port: int, full: Measured) -> Measured:
        """Ask a service half as often as it can answer, whether or not it has answered."""
        rate = full.load.a_second / 2
        command = [sys.executable, "-m", "benchmarks.open_loop", str(port), str(rate)]
        body = _body(full.rows)
        loads = [_result([*command, str(self.seconds)], body) for _ in range(self.rounds)]
        return Measured(full.service, full.connections, full.rows, _median(loads))

    def _ask(self, port: int, connections: int, rows: int) -> Load:
        script = self.folder / "post.lua"
        script.write_text(SCRIPT.format(body=f"[==[{_body(rows).decode()}]==]"))
        return _result(
            [
                "wrk",
                f"--duration={self.seconds}s",
                *("--threads=1", f"--connections={connections}", "--timeout=20s"),
                f"--script={script}",
                f"http://127.0.0.1:{port}/predict",
            ]
        )


def _result(command: Sequence[str], text: bytes = b"") -> Load:
    """Run a client, and return the line of its result."""
    done = subprocess.run(command, input=text, capture_output=True, check=False)  # noqa: S603
    shown = done.stdout.decode()
    line = next((line for line in shown.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise BenchError(f"{command[0]} says nothing: {(shown + done.stderr.decode())[-200:]}")
    requests, duration, p50, p99, p999, bad = map(int, line.split()[1:])
    return Load(requests / duration * 1e6, p50, p99, p999, bad)


def _median(loads: Sequence[Load]) -> Load:
    values = [msgspec.structs.astuple(load) for load in loads]
    return Load(*(statistics.median(column) for column in zip(*values, strict=True)))


@contextmanager
def _serving(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[int]:
    """Start a service on a free port, and wait until it predicts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with (folder / "web-bench.log").open("a") as log:
        process = subprocess.Popen(  # noqa: S603  the project's own commands
            [part.replace("{port}", str(port)) for part in command],
            env={**environment, "PORT": str(port)},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _predicts(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{' '.join(command)} does not start; see {log.name}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _predicts(port: int) -> bool:
    """Return whether a service answers: gunicorn listens before its model is loaded."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("POST", "/predict", _body(1), {"Content-Type": "application/json"})
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _body(rows: int) -> bytes:
    events = rides(100)[:rows]
    return msgspec.json.encode(events if rows > 1 else events[0])


def _course_model(folder: Path) -> Path:
    """Return the course's MLflow model, made once: it takes half a minute on a slow machine."""
    model = folder / "course-model"
    if not model.exists():
        unfinished = model.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        save = (
            "import sys; from pathlib import Path; from benchmarks.mlflow_handler_model import save"
        )
        subprocess.run(  # noqa: S603  the project's own program
            [sys.executable, "-c", f"{save}; save(Path(sys.argv[1]))", str(unfinished)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        unfinished.rename(model)
    return model.resolve()


if __name__ == "__main__":
    run_program("benchmarks.web_service")
