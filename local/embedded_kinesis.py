"""An embedded Kinesis: moto's server in a process of its own.

It keeps everything in memory and speaks the real API, so that boto3, the `aws` command line and
any other SDK work against it. It enforces neither retention nor Kinesis's throughput limits, and
after a split or merge it moves the parents' records to the children, which AWS does not.
"""

import http.client
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from botocore.exceptions import ClientError

from local.errors import StartError
from local.processes import last_line, start_process, stop_process
from streaming.clients import EMULATOR_KEY

if TYPE_CHECKING:
    from subprocess import Popen

HOST = "127.0.0.1"
PORT = 4566
"""LocalStack's port, which people's AWS profiles already name."""

START_SECONDS = 60.0
POLL_SECONDS = 0.05
PROJECT = Path(__file__).resolve().parent.parent


class EmbeddedKinesis:
    """A Kinesis endpoint that lives as long as this context.

    Args:
        log: The file that gets what the server prints.
        port: The port to listen on; any free one is taken if it is in use. 0 asks for a free one.
        clock: Seconds that only grow.
        sleep: Waits for some seconds.

    Attributes:
        endpoint_url: Where it listens.
        notice: One line for the user if another port than the wanted one was taken, or None.
    """

    def __init__(
        self,
        log: Path,
        *,
        port: int = PORT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint_url = ""
        self.notice: str | None = None
        self._log = log
        self._wanted_port = port
        self._clock = clock
        self._sleep = sleep
        self._process: Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StartError: It ended, or did not answer within a minute.
        """
        with listen(self._wanted_port) as listener:
            port = listener.getsockname()[1]
            self._process = start_process(
                [
                    sys.executable,
                    "-u",
                    "-m",
                    "local.embedded_kinesis_server",
                    str(listener.fileno()),
                ],
                log=self._log,
                environment=without_aws(os.environ),
                directory=PROJECT,
                keep_open=[listener.fileno()],
            )
        self.endpoint_url = f"http://{HOST}:{port}"
        if self._wanted_port not in (0, port):
            self.notice = f"Port {self._wanted_port} is taken; Kinesis is at {self.endpoint_url}"
        try:
            self._wait_until_ready(port)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server; everything on its streams is gone."""
        if self._process is not None:
            stop_process(self._process)
            self._process = None

    def _wait_until_ready(self, port: int) -> None:
        deadline = self._clock() + START_SECONDS
        while not answers(port):
            if self._process is None or self._process.poll() is not None:
                raise StartError(f"The embedded Kinesis ended: {last_line(self._log)}")
            if self._clock() > deadline:
                raise StartError(f"The embedded Kinesis does not answer; see {self._log}")
            self._sleep(POLL_SECONDS)


def listen(port: int) -> socket.socket:
    """Listen on a port of this machine alone, or on any free one if that is taken.

    The socket is handed to the server, so that nobody can take the port in between.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))


def answers(port: int) -> bool:
    """Tell whether moto answers at a port of this machine."""
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("GET", "/moto-api/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """Take this machine's AWS configuration out of an environment: a profile may have expired.

    Args:
        environment: Environment variables.

    Returns:
        The others, with stand-ins for credentials and no files of profiles.
    """
    return {
        **{name: value for name, value in environment.items() if not name.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": EMULATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": EMULATOR_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


class StreamAdmin(Protocol):
    """The calls of a boto3 Kinesis client that `ensure_stream` needs."""

    def create_stream(self, *, StreamName: str, ShardCount: int) -> Any:  # noqa: N803  AWS's names
        """Create a stream; raises `ResourceInUseException` if it exists."""

    def describe_stream_summary(self, *, StreamName: str) -> Any:  # noqa: N803  AWS's names
        """Describe a stream."""


def ensure_stream(
    client: StreamAdmin,
    name: str,
    shards: int,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Create a stream unless it exists, and wait until it can be used.

    Args:
        client: A boto3 Kinesis client.
        name: The stream.
        shards: How many shards a new stream gets; an existing one keeps its own.
        clock: Seconds that only grow.
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
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        created = False
    deadline = clock() + START_SECONDS
    while (status := stream_status(client, name)) != "ACTIVE":
        if clock() > deadline:
            raise StartError(f"The stream {name} is {status}, not ACTIVE, after a minute")
        sleep(POLL_SECONDS)
    return created


def stream_status(client: StreamAdmin, name: str) -> str:
    """Return a stream's status, such as CREATING, ACTIVE or UPDATING."""
    answer = client.describe_stream_summary(StreamName=name)
    return str(answer["StreamDescriptionSummary"]["StreamStatus"])
