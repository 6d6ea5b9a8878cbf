"""`python -m web` in a process of its own, on a free port of loopback."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
SECONDS = 60


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.first = json.loads(process.stdout.readline())
        self.lines: list[str] = []
        # A full pipe would stop the server.
        self._reader = Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()
        host, _, port = self.first["address"].removeprefix("http://").rpartition(":")
        self.at = (host, int(port))

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self.lines.append(line)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        connection = http.client.HTTPConnection(*self.at, timeout=SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.at, timeout=SECONDS)

    def exchange(self, sent: bytes) -> bytes:
        """Send bytes, and return everything that comes until the server ends the connection."""
        with self.connect() as connection:
            with suppress(ConnectionError):  # the server need not read all of it
                connection.sendall(sent)
            return until_end(connection)

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def ended(self) -> tuple[int, str]:
        """Wait for the end, and return the exit status and what was written to stderr."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stderr is not None
        return status, self.process.stderr.read()


def until_end(connection: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while some := connection.recv(65_536):
            found += some
    return found


@contextmanager
def serving(**settings: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "web"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORT": "0", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process)
    finally:
        process.kill()
        process.wait()
        # The reader ends first: it has the stream's lock.
        for output in (process.stdout, process.stderr):
            assert output is not None
            output.close()
