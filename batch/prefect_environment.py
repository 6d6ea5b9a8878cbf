"""What Prefect needs of its environment, and a server of its own; imports nothing of Prefect.

Its settings are read when it is imported: this comes first.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from batch.errors import BatchError

API_URL = "PREFECT_API_URL"
START_SECONDS = 180
"""How long a server may take to start."""

STOP_SECONDS = 30

_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(START_SECONDS),
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
}
"""Prefect reports nothing to anyone, and a temporary server has time to start."""


class SchedulerUnavailable(BatchError):
    """Prefect's server does not start."""


def prepare_environment(home: Path, level: str = "WARNING") -> None:
    """Set what Prefect reads when it is imported.

    Args:
        home: Where it keeps its files; nothing is written to the user's home.
        level: Of its own log.
    """
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(_SETTINGS)
    os.environ["PREFECT_HOME"] = str(home.resolve())
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", level)
    # A flow run is a process of its own, which imports `batch` and `model` from the same places.
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, sys.path)))


@contextmanager
def prefect_server(home: Path, port: int) -> Iterator[str]:
    """Run Prefect's server on this machine, unless `PREFECT_API_URL` names one.

    Args:
        home: For its log; `prepare_environment` has come before.
        port: On 127.0.0.1; 0: any that is free.

    Yields:
        Its API's URL, which `PREFECT_API_URL` then holds.

    Raises:
        SchedulerUnavailable: It does not start.
    """
    if named := os.environ.get(API_URL):
        yield named
        return
    port = _free(port)
    log = home / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start"]
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: S603  Prefect's own program
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the schedule, which still needs the server
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        _wait(server, url, log)
        os.environ[API_URL] = url
        yield url
    finally:
        os.environ.pop(API_URL, None)
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with closing(urllib.request.urlopen(f"{url}/health", timeout=5)):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    raise SchedulerUnavailable(f"Prefect's server does not start; {log} says why")


def _free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SchedulerUnavailable(f"PORT is {port}, which is not free: {error}") from None
        found: int = probe.getsockname()[1]
        return found
