"""Asks a web service at a rate that does not depend on its answers, and prints the latencies.

    python -m benchmarks.open_loop PORT RATE SECONDS < body

wrk, which asks again when it has its answer, asks less while a service stands still, so it leaves
out the requests that would have waited. Here they come as a Poisson process, and a request's
latency begins when it was due, whether or not one of the connections was free.
"""

import asyncio
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import uvloop

CONNECTIONS = 32
SEED = 1
END_OF_HEADER = b"\r\n\r\n"
OK = b"http/1.1 200 "
DRAIN_SECONDS = 20.0
"""How long to wait for the last answers; those that are not there have failed."""

DRAIN_STEP = 0.05


@dataclass(slots=True)
class Load:
    """Requests that are due, the connections, and what was measured, in seconds."""

    port: int
    request: bytes
    due: deque[float] = field(default_factory=deque)
    free: list["_Connection"] = field(default_factory=list)
    open: set["_Connection"] = field(default_factory=set)
    connecting: set[asyncio.Task[Any]] = field(default_factory=set)
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    ended: bool = False

    def connect(self) -> None:
        """Begin to open a connection."""
        loop = asyncio.get_running_loop()
        opening = loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.port)
        task = loop.create_task(opening)
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)

    def send(self) -> None:
        """Send what is due over the connections that are free."""
        while self.due and self.free:
            self.free.pop().send(self.due.popleft())

    def end(self) -> None:
        """Close every connection."""
        self.ended = True
        for connection in [*self.open]:
            connection.close()


class _Connection(asyncio.Protocol):
    """A connection with one request at a time; another is opened when it ends."""

    _transport: Any  # uvloop's is no asyncio.Transport

    def __init__(self, load: Load) -> None:
        self._load = load
        self._answer = b""
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._load.open.add(self)
        self._load.free.append(self)
        self._load.send()

    def send(self, due: float) -> None:
        """Send a request that was due at a time."""
        self._due = due
        self._transport.write(self._load.request)

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        header, is_whole, body = self._answer.partition(END_OF_HEADER)
        header = header.lower()
        length = header.partition(b"content-length:")[2].partition(b"\r\n")[0]
        if self._due is None or not is_whole or len(body) < int(length):
            return
        if header.startswith(OK):
            self._load.latencies.append(time.perf_counter() - self._due)
        else:
            self._load.failed += 1
        self._answer, self._due = b"", None
        if b"\r\nconnection: close" in header:
            self.close()
        else:
            self._load.free.append(self)
            self._load.send()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        load = self._load
        load.open.discard(self)
        if self in load.free:
            load.free.remove(self)
        if self._due is not None:
            load.failed += 1
        if not load.ended:
            load.connect()


async def ask(port: int, body: bytes, rate: float, seconds: float) -> Load:
    """Ask the service at a port of this machine.

    Args:
        port: The port.
        body: The body of each request.
        rate: Requests a second.
        seconds: How long.
    """
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    load = Load(port, head.encode() + body)
    for _ in range(CONNECTIONS):
        load.connect()
    await asyncio.gather(*load.connecting)
    draw = random.Random(SEED)  # noqa: S311  no secret
    due = time.perf_counter()
    end = due + seconds
    sent = 0
    while due < end:
        await asyncio.sleep(due - time.perf_counter())
        while due <= time.perf_counter() and due < end:
            load.due.append(due)
            sent += 1
            due += draw.expovariate(rate)
        load.send()
    for _ in range(round(DRAIN_SECONDS / DRAIN_STEP)):
        if len(load.latencies) + load.failed >= sent:
            break
        await asyncio.sleep(DRAIN_STEP)
    load.end()
    load.failed = sent - len(load.latencies)
    return load


def main() -> int:
    """Print the requests, the seconds, p50, p99 and p99.9 in microseconds, and the failures."""
    port, rate, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    load = uvloop.run(ask(port, sys.stdin.buffer.read(), rate, seconds))
    found = sorted(load.latencies) or [0.0]
    at = (found[min(len(found) - 1, int(share * len(found)))] for share in (0.5, 0.99, 0.999))
    times = " ".join(f"{seconds * 1e6:.0f}" for seconds in at)
    print(f"RESULT {len(load.latencies)} {seconds * 1e6:.0f} {times} {load.failed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
