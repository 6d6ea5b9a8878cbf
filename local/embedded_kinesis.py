"""An embedded Kinesis: moto's server in its own process.

It keeps everything in memory and speaks the real API, so that boto3, the `aws` command line and
any other SDK work with it. It enforces neither retention nor Kinesis's throughput limits, and after
a split or merge it moves the parents' records to the children, which AWS does not.
"""

import http.client
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.errors import StartError
from local.processes import last_line, start_process, stop_process
from streaming.clients import EMULATOR_KEY
from streaming.retries import error_code

if TYPE_CHECKING:
    from subprocess import Popen

HOST = "127.0.0.1"
PORT = 4566
"""LocalStack's port, which many AWS profiles already name."""

START_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class EmbeddedKinesis:
    """A running server.

    Attributes:
        endpoint_url: Where it listens.
        notice: One line for the user if the requested port was taken, or None.
    """

    endpoint_url: str
    notice: str | None


@contextmanager
def embedded_kinesis(log: Path, *, port: int = PORT) -> Iterator[EmbeddedKinesis]:
    """Run a Kinesis server until the context ends; its streams end with it.

    Args:
        log: The file for the server's output.
        port: The port to listen on; if it is taken, any free one is used. 0: any free one.

    Raises:
        StartError: The server ended, or did not respond within a minute.
    """
    with listen(port) as listener:
        actual_port = listener.getsockname()[1]
        process = start_process(
            [sys.executable, "-u", "-m", "local.embedded_kinesis_server", str(listener.fileno())],
            log=log,
            environment=without_aws_settings(os.environ),
            keep_open=[listener.fileno()],
        )
    url = f"http://{HOST}:{actual_port}"
    try:
        _wait_until_ready(process, actual_port, log)
        taken = port not in (0, actual_port)
        yield EmbeddedKinesis(url, f"Port {port} is taken; Kinesis is at {url}" if taken else None)
    finally:
        stop_process(process)


def _wait_until_ready(process: "Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(port):
        if process.poll() is not None:
            raise StartError(f"The embedded Kinesis ended: {last_line(log)}")
        if time.monotonic() > deadline:
            raise StartError(f"The embedded Kinesis does not respond; see {log}")
        time.sleep(POLL_SECONDS)


def listen(port: int) -> socket.socket:
    """Listen on a port of this machine only, or on any free one if it is taken.

    The server inherits the socket, so that no other program can take the port in between.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))


def is_ready(port: int) -> bool:
    """Return whether moto responds on a port of this machine."""
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("GET", "/moto-api/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def without_aws_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Remove this machine's AWS settings from an environment: a profile may have expired.

    Args:
        environment: Environment variables.

    Returns:
        The others, with dummy credentials and no profile files.
    """
    return {
        **{name: value for name, value in environment.items() if not name.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": EMULATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": EMULATOR_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def ensure_stream(
    client: Any,
    name: str,
    shards: int,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Create a stream unless it exists, and wait until it is active.

    Args:
        client: A boto3 Kinesis client.
        name: The stream.
        shards: How many shards a new stream gets; an existing one is not changed.
        clock: Monotonic seconds.
        sleep: Waits for some seconds.

    Returns:
        Whether the stream was created.

    Raises:
        StartError: The stream is not active within a minute.
    """
    created = True
    try:
        client.create_stream(StreamName=name, ShardCount=shards)
    except ClientError as error:
        if error_code(error) != "ResourceInUseException":
            raise
        created = False
    deadline = clock() + START_SECONDS
    while (status := stream_status(client, name)) != "ACTIVE":
        if clock() > deadline:
            raise StartError(f"The stream {name} is {status}, not ACTIVE, after a minute")
        sleep(POLL_SECONDS)
    return created


def stream_status(client: Any, name: str) -> str:
    """Return a stream's status, such as CREATING, ACTIVE or UPDATING."""
    response = client.describe_stream_summary(StreamName=name)
    return str(response["StreamDescriptionSummary"]["StreamStatus"])
