"""MLflow's tracking server on this machine, as a process that never outlives this one.

The server's standard input is a pipe that only its parent holds open. When the parent closes it, or
ends, even by kill -9, the server and its worker end, too. Run as a module, this is the server.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lifecycle.errors import ServerError

HOST = "127.0.0.1"
_PROJECT = Path(__file__).parent.parent
_START_SECONDS = 120.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.2
_CHUNK_BYTES = 1024


@dataclass(frozen=True, slots=True)
class TrackingServer:
    """A server that responds.

    Attributes:
        url: For `MLFLOW_TRACKING_URI`.
        process: Its process, which leads a process group.
        log: What it prints.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def tracking_server(
    folder: Path,
    artifacts: str,
    port: int,
    log: Path,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[TrackingServer]:
    """Run a server within this context.

    Args:
        folder: Holds `mlflow.db`, the database that training uses without a server, too.
        artifacts: A folder or `s3://bucket/prefix`; the server reads and writes them for its
            clients.
        port: On loopback.
        log: What it prints is appended to this file.
        sleep: Waits between looks at a server that starts.

    Raises:
        ServerError: The port is in use, or the server ends or does not respond.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServerError(
                f"port {port} of {HOST}: {error.strerror}; PORT= names another"
            ) from error
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", __name__, "server", "--host", HOST, "--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  MLflow's own program
            [
                *command,
                *("--backend-store-uri", f"sqlite:///{folder.resolve() / 'mlflow.db'}"),
                *("--artifacts-destination", artifacts, "--workers", "1"),
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(_PROJECT), os.environ.get("PYTHONPATH", "")]),
                # Its job runner is for evaluations of language models: eight processes, 600 MB.
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches this program alone, which stops the server
        )
    server = TrackingServer(f"http://{HOST}:{port}", process, log)
    try:
        _wait(server, sleep)
        yield server
    finally:
        _stop(process)


def _wait(server: TrackingServer, sleep: Callable[[float], None]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerError(f"the tracking server ended; {server.log} says why")
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=5):  # noqa: S310  loopback
                return
        except (OSError, urllib.error.URLError):
            sleep(_POLL_SECONDS)
    raise ServerError(f"the tracking server does not respond; {server.log} says why")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_parent() -> None:
    """End this process group as soon as standard input ends."""
    while os.read(0, _CHUNK_BYTES):
        continue
    os.killpg(0, signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from mlflow.cli import cli

    cli()
