"""The web service for a while under clients that are slow, greedy or vanish, and promotions.

`make soak-web`: some clients send good rides and lists and check every answer; others send half
headers and half bodies, bodies that are too large, nonsense, and close without reading. Every good
request must be answered with its own predictions, or with 429; memory must not grow with the
others; at the end SIGTERM must stop the service with the status 0.
"""

import http.client
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cli.arguments import Parser, seed, whole_number
from cli.program import program, run_program
from cli.run_folder import create_run_folder

GOOD_CLIENTS, BAD_CLIENTS = 4, 8
RETRY = 429
GROWTH_MB = 64.0
"""What the service's memory may grow after its first seconds: bodies that are held, and buffers."""

TIMEOUT = 60.0
HEAD = b"POST /predict HTTP/1.1\r\nHost: soak\r\n"
RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


class SoakError(Exception):
    """A promise of the service does not hold."""


class WebSoak:
    """One run.

    Args:
        port: The service's.
        number: The seed of everything that is random.
    """

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        self._seed = number
        self._stop = threading.Event()
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []

    def run(self, seconds: float) -> None:
        """Have all clients ask until time is up."""
        clients = [(self._good, n) for n in range(GOOD_CLIENTS)]
        clients += [(self._bad, GOOD_CLIENTS + n) for n in range(BAD_CLIENTS)]
        threads = [
            threading.Thread(target=self._client, args=(each, random.Random(self._seed + number)))
            for each, number in clients
        ]
        for thread in threads:
            thread.start()
        self._stop.wait(seconds)
        self._stop.set()
        for thread in threads:
            thread.join(TIMEOUT)

    def _client(self, ask: Callable[[random.Random], None], draw: random.Random) -> None:
        while not self._stop.is_set():
            try:
                ask(draw)
            except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
                self.problems.append(f"{type(error).__name__}: {error}")
                self._stop.set()

    def _good(self, draw: random.Random) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        try:
            for _ in range(draw.randint(1, 20)):
                ids = [draw.getrandbits(60) for _ in range(draw.choice((1, 1, 1, 2, 100, 1_000)))]
                rides = [{"ride": RIDE, "ride_id": each} for each in ids]
                connection.request("POST", "/predict", json.dumps(rides))
                response = connection.getresponse()
                found = json.loads(response.read())
                self.counts[f"good: {response.status}"] += 1
                if response.status != RETRY:
                    self._check(ids, found)
        finally:
            connection.close()

    @staticmethod
    def _check(ids: Sequence[int], found: list[dict[str, dict[str, int]]]) -> None:
        answered = [each["prediction"]["ride_id"] for each in found]
        if answered != list(ids):
            raise SoakError(f"{len(ids)} rides were answered with others' predictions")

    def _bad(self, draw: random.Random) -> None:
        kind = draw.choice(("half header", "half body", "huge", "nonsense", "vanish", "unread"))
        sent = {
            "half header": HEAD + b"X-Slow: ",
            "half body": HEAD + b"Content-Length: 1000\r\n\r\n[" + b"1," * 100,
            "huge": HEAD + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9_000_000,
            "nonsense": draw.randbytes(draw.randint(1, 5_000)) + b"\r\n\r\n",
            "vanish": HEAD + b"Content-Length: 100\r\n\r\n{",
            "unread": (HEAD + b"Content-Length: 2001\r\n\r\n[" + b"1," * 999 + b"1 ]") * 5,
        }[kind]
        self.counts[f"bad: {kind}"] += 1
        with suppress(ConnectionError), self._connect() as connection:
            connection.sendall(sent)
            if kind in {"half header", "half body", "unread"}:
                self._stop.wait(draw.random() * 2)
            if kind == "vanish":  # with a reset, as a client that is killed
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            elif kind in {"huge", "nonsense"}:
                connection.settimeout(TIMEOUT)
                connection.recv(4_096)

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT)


def soak(seconds: float, number: int, folder: Path) -> Counter[str]:
    """Run the service and its clients.

    Returns:
        Requests by kind and status.

    Raises:
        SoakError: A promise does not hold.
    """
    environment = {**os.environ, "PORT": "0", "REQUEST_SECONDS": "2"}
    log = folder / "service.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "web"], env=environment, stdout=output, stderr=output
        )
    try:
        port = _port(process, log)
        run = WebSoak(port, number)
        run.run(min(2.0, seconds / 2))  # until buffers have their size
        before = _resident_mb(process.pid)
        rest = WebSoak(port, number + 1_000)
        if not run.problems:
            rest.run(seconds)
        grown = _resident_mb(process.pid) - before
        process.send_signal(signal.SIGTERM)
        status = process.wait(TIMEOUT)
    finally:
        process.kill()
        process.wait()
    problems = [*run.problems, *rest.problems]
    if status != 0:
        problems.append(f"SIGTERM ended the service with the status {status}")
    if grown > GROWTH_MB:
        problems.append(f"the service grew by {grown:.0f} MB; allowed: {GROWTH_MB:.0f}")
    if problems:
        raise SoakError(f"{problems[0]} (its log: {log})")
    found = run.counts + rest.counts
    found["MB grown"] = max(0, round(grown))
    return found


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        first, found, _ = log.read_text().partition("\n")
        if found:
            return int(json.loads(first)["address"].rpartition(":")[2])
        time.sleep(0.05)
    raise SoakError(f"the service does not start; see {log}")


def _resident_mb(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@program(SoakError)
def main(argv: Sequence[str] | None = None) -> int:
    """Soak, and print what was asked."""
    parser = Parser(prog="python -m tests.soak.web_soak", description=__doc__)
    parser.add_argument("--seconds", type=whole_number, default=60, help="default: %(default)s")
    parser.add_argument("--seed", type=seed, default=1, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=Path("build/soak-web"))
    options = parser.parse_args(argv)
    folder = create_run_folder(options.folder)
    for kind, count in sorted(soak(options.seconds, options.seed, folder).items()):
        sys.stdout.write(f"{count:>8}  {kind}\n")
    return 0


if __name__ == "__main__":
    run_program("tests.soak.web_soak")
