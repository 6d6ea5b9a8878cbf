"""A proxy in front of Kinesis and S3 that injects faults, in a process of its own.

Run as `python -m tests.soak.fault_proxy <file descriptor> <Kinesis's URL> <S3's URL> <seed>` by
`FaultProxy`.
"""

import contextlib
import http.client
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from local.embedded_kinesis import HOST, listen
from local.processes import exit_with_parent, start_process, stop_process
from tests.soak.fault_injection import Answer, Ending, Request, answer_with
from tests.soak.wire_faults import FaultPlan

if TYPE_CHECKING:
    from subprocess import Popen

COUNTS_PATH = "/soak/faults"
"""Where the proxy itself answers: the faults injected so far."""

CALLER_TIMEOUT_SECONDS = 60.0
UPSTREAM_SECONDS = 120.0
HOP_HEADERS = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}
)


class ProxyServer(ThreadingHTTPServer):
    """Takes a caller's connection in a thread of its own.

    Args:
        listener: A listening socket; it is taken over.
        kinesis_url: Where calls in AWS JSON go.
        s3_url: Where all others go.
        plan: What goes wrong.
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

    def answer(self, request: Request) -> Answer:
        """Answer one request, with the fault that the plan has for it."""
        if request.path == COUNTS_PATH:
            return self._counts()
        operation = request.operation
        with self._lock:
            number = self._calls[operation]
            self._calls[operation] += 1
        injection = self._plan.draw(operation, number, time.monotonic() - self._started)
        if injection.fault is not None:
            with self._lock:
                self._faults[f"{operation}: {injection.fault.value}"] += 1
        return answer_with(injection, request, self._forward)

    def _counts(self) -> Answer:
        with self._lock:
            counts = {"calls": self._calls, "faults": self._faults}
            return Answer(body=json.dumps(counts).encode())

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(
            self._kinesis if request.is_kinesis else self._s3, timeout=UPSTREAM_SECONDS
        )
        with contextlib.closing(connection):
            headers = {n: v for n, v in request.headers.items() if n.lower() not in HOP_HEADERS}
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            body = response.read()
            kept = {n: v for n, v in response.getheaders() if n.lower() not in HOP_HEADERS}
            return Answer(response.status, body, kept)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over callers who leave while they are being answered; report all else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ProxyServer
    protocol_version = "HTTP/1.1"

    def _relay(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the caller was killed while it was sending
            return
        headers = dict(self.headers.items())
        answer = self.server.answer(Request(self.command, self.path, headers, body))
        if answer.ending is Ending.ANSWER:
            self._send(answer)
            return
        self.close_connection = True
        if answer.ending is Ending.SILENCE:
            select.select([self.connection], [], [], CALLER_TIMEOUT_SECONDS)
        else:
            # No lingering: the kernel answers with a reset instead of an end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _relay  # noqa: N815  http.server's names

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


class FaultProxy:
    """The proxy's process, which lives as long as this context.

    Args:
        log: The file that gets what the proxy prints.
        kinesis_url: See `ProxyServer`.
        s3_url: See `ProxyServer`.
        seed: The plan's.

    Attributes:
        endpoint_url: Where it listens.
    """

    def __init__(self, log: Path, kinesis_url: str, s3_url: str, seed: int) -> None:
        self.endpoint_url = ""
        self._log = log
        self._arguments = [kinesis_url, s3_url, str(seed)]
        self._process: Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the proxy; callers may connect at once, since it listens already."""
        with listen(0) as listener:
            self.endpoint_url = f"http://{HOST}:{listener.getsockname()[1]}"
            module, descriptor = "tests.soak.fault_proxy", str(listener.fileno())
            self._process = start_process(
                [sys.executable, "-u", "-m", module, descriptor, *self._arguments],
                log=self._log,
                environment=os.environ,
                keep_open=[listener.fileno()],
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the proxy."""
        if self._process is not None:
            stop_process(self._process)

    def counts(self) -> dict[str, dict[str, int]]:
        """Give the `calls` of each operation so far, and the `faults` injected."""
        with urllib.request.urlopen(self.endpoint_url + COUNTS_PATH) as response:  # noqa: S310  our own
            counts: dict[str, dict[str, int]] = json.load(response)
        return counts


def main() -> None:
    """Serve until the parent process ends."""
    exit_with_parent()
    descriptor, kinesis_url, s3_url, seed = sys.argv[1:]
    listener = socket.socket(fileno=int(descriptor))
    ProxyServer(listener, kinesis_url, s3_url, FaultPlan(int(seed))).serve_forever()


if __name__ == "__main__":
    main()
