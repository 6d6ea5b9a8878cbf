"""A proxy in front of Kinesis and S3 that injects faults, in a process of its own.

Run as `python -m tests.soak.fault_proxy <file descriptor> <Kinesis URL> <S3 URL> <seed>` by
`fault_proxy`.
"""

import http.client
import io
import json
import os
import select
import socket
import struct
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.embedded_kinesis import HOST, listen
from local.processes import exit_with_parent, start_process, stop_process
from tests.soak.fault_injection import Ending, FaultPlan, Request, Response, respond

COUNTS_PATH = "/soak/faults"
"""The proxy's own path: the faults injected so far."""

CALLER_TIMEOUT_SECONDS = 60.0
TRICKLED_BYTES = 100
"""How many bytes of a trickled response are sent one by one: most of its headers. The rest, which
may be megabytes, follows at once."""

UPSTREAM_SECONDS = 120.0
HOP_HEADERS = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}
)


class ProxyServer(ThreadingHTTPServer):
    """Serves each connection in a thread of its own.

    Args:
        listener: A listening socket, which the server takes over.
        kinesis_url: Where calls in AWS JSON are forwarded.
        s3_url: Where all other calls are forwarded.
        plan: The faults to inject.
    """

    daemon_threads = True

    def __init__(
        self, listener: socket.socket, kinesis_url: str, s3_url: str, plan: FaultPlan
    ) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._kinesis = urlsplit(kinesis_url).netloc
        self._s3 = urlsplit(s3_url).netloc
        self._plan = plan
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()

    def respond(self, request: Request) -> Response:
        """Return the response to one request, with the fault that the plan has for it."""
        if request.path == COUNTS_PATH:
            with self._lock:
                counts = {"calls": self._calls, "faults": self._faults}
                return Response(body=json.dumps(counts).encode())
        operation = request.operation
        with self._lock:
            number = self._calls[operation]
            self._calls[operation] += 1
        injection = self._plan.draw(operation, number, time.monotonic() - self._started)
        if injection.fault is not None:
            with self._lock:
                self._faults[f"{operation}: {injection.fault.value}"] += 1
        return respond(injection, request, self._forward)

    def _forward(self, request: Request) -> Response:
        upstream = self._kinesis if request.is_kinesis else self._s3
        with closing(http.client.HTTPConnection(upstream, timeout=UPSTREAM_SECONDS)) as connection:
            headers = {n: v for n, v in request.headers.items() if n.lower() not in HOP_HEADERS}
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            body = response.read()
            kept = {n: v for n, v in response.getheaders() if n.lower() not in HOP_HEADERS}
            return Response(response.status, body, kept)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore callers that disconnect before their response; print all other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ProxyServer
    protocol_version = "HTTP/1.1"

    def _relay(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the caller was killed while sending
            return
        headers = dict(self.headers.items())
        response = self.server.respond(Request(self.command, self.path, headers, body))
        if response.ending is Ending.RESPONSE:
            self._send(response)
            return
        self.close_connection = True
        if response.ending is Ending.NO_RESPONSE:
            select.select([self.connection], [], [], CALLER_TIMEOUT_SECONDS)
        else:
            # Without lingering, the kernel closes the connection with a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _relay  # noqa: N815  http.server's names

    def _send(self, response: Response) -> None:
        if response.trickle_seconds:
            self.wfile = _Trickle(self.wfile, response.trickle_seconds)
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


class _Trickle(io.BufferedIOBase):
    """A file that writes to another one, at first a byte at a time."""

    def __init__(self, file: io.BufferedIOBase, seconds: float) -> None:
        self._file = file
        self._pause = seconds / TRICKLED_BYTES
        self._slow = TRICKLED_BYTES

    def write(self, data: Any) -> int:
        slow, rest = data[: self._slow], data[self._slow :]
        self._slow -= len(slow)
        for byte in slow:
            self._file.write(bytes([byte]))
            time.sleep(self._pause)
        return len(slow) + self._file.write(rest)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True)
class FaultProxy:
    """A running proxy, by its URL."""

    endpoint_url: str

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the `calls` of each operation so far, and the `faults` injected."""
        with urllib.request.urlopen(self.endpoint_url + COUNTS_PATH) as response:  # noqa: S310  our own
            counts: dict[str, dict[str, int]] = json.load(response)
        return counts


@contextmanager
def fault_proxy(log: Path, kinesis_url: str, s3_url: str, seed: int) -> Iterator[FaultProxy]:
    """Run the proxy's process until the context ends; callers may connect at once.

    Args:
        log: The file for the proxy's output.
        kinesis_url: See `ProxyServer`.
        s3_url: See `ProxyServer`.
        seed: The fault plan's.
    """
    with listen(0) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        arguments = [str(descriptor), kinesis_url, s3_url, str(seed)]
        process = start_process(
            [sys.executable, "-u", "-m", "tests.soak.fault_proxy", *arguments],
            log=log,
            environment=os.environ,
            keep_open=[descriptor],
        )
    try:
        yield FaultProxy(f"http://{HOST}:{port}")
    finally:
        stop_process(process)


def main() -> None:
    """Serve until the parent process ends."""
    exit_with_parent()
    descriptor, kinesis_url, s3_url, seed = sys.argv[1:]
    listener = socket.socket(fileno=int(descriptor))
    ProxyServer(listener, kinesis_url, s3_url, FaultPlan(int(seed))).serve_forever()


if __name__ == "__main__":
    main()
