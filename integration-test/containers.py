"""Start containers, reach them, read their logs, and remove them."""

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from local.errors import FunctionUnavailable
from local.runtime_emulator import RuntimeEmulator

HERE = Path(__file__).resolve().parent
FUNCTION_IMAGE = os.environ.get("FUNCTION_IMAGE", "ride-predictions")
EMULATOR_PORT, LOCALSTACK_PORT = 8080, 4566
TIMEOUT_SECONDS = 120.0
POLL_SECONDS = 0.1
LOG_LINES = 1_000


@dataclass(frozen=True, slots=True)
class Stack:
    """LocalStack and the function, as the compose file describes them.

    Attributes:
        localstack: Kinesis and S3.
        function: The function's image under the emulator.
    """

    localstack: Container
    function: Container

    @property
    def endpoint_url(self) -> str:
        """Where LocalStack listens on this machine."""
        return url(self.localstack, LOCALSTACK_PORT)

    @property
    def network(self) -> str:
        """The network on which LocalStack is called `localstack`."""
        return str(next(iter(self.localstack.attrs["NetworkSettings"]["Networks"])))


@contextmanager
def compose_stack(name: str, environment: Mapping[str, str]) -> Iterator[Stack]:
    """Start the compose file's services and take them down again, whatever happens.

    Args:
        name: Part of the compose project's name, which no other run has.
        environment: The file's variables.
    """
    project = f"rides-{name}-{os.getpid()}"
    command = [*compose_command(), "--project-name", project]

    def compose(*arguments: str) -> None:
        subprocess.run(
            [*command, *arguments], cwd=HERE, env={**os.environ, **environment}, check=True
        )

    try:
        compose("up", "--detach", "--no-build")
        services = {c.labels["com.docker.compose.service"]: c for c in containers_of(project)}
        stack = Stack(services["localstack"], services["function"])
        wait_until(lambda: all(map(is_healthy, services.values())), "healthy containers")
        yield stack
    except BaseException:
        for container in containers_of(project):
            print(f"--- logs of {container.name}\n{logs(container)}")
        raise
    finally:
        compose("down", "--timeout", "1", "--volumes")


@contextmanager
def function_container(environment: Mapping[str, str], **options: Any) -> Iterator[Container]:
    """Start the function's image on a read-only file system, and remove it at the end.

    Args:
        environment: Its environment variables.
        options: As for the Docker SDK's `containers.run`.
    """
    containers = docker.from_env().containers
    name = f"rides-{uuid.uuid4()}"  # by which it is found if Ctrl-C comes while it starts
    try:
        container = containers.run(
            FUNCTION_IMAGE,
            name=name,
            detach=True,
            environment=dict(environment),
            ports={f"{EMULATOR_PORT}/tcp": ("127.0.0.1", None)},
            read_only=True,
            tmpfs={"/tmp": ""},  # noqa: S108  the container's own
            **options,
        )
        container.reload()  # now it has its port
        yield container
    finally:
        with suppress(NotFound):
            containers.get(name).remove(force=True, v=True)


def invoke(container: Container, event: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke the function in a container as soon as its emulator listens.

    Raises:
        FunctionError: The function failed.
    """
    emulator = RuntimeEmulator(url(container, EMULATOR_PORT))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            response: dict[str, Any] = json.loads(emulator.invoke(json.dumps(event).encode()))
        except FunctionUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return response


def url(container: Container, port: int) -> str:
    """Return the URL of a container's port on this machine."""
    published = container.attrs["NetworkSettings"]["Ports"][f"{port}/tcp"][0]
    return f"http://127.0.0.1:{published['HostPort']}"


def logs(container: Container) -> str:
    """Return the last lines that a container has printed."""
    printed: bytes = container.logs(tail=LOG_LINES)
    return printed.decode(errors="replace")


def json_lines(container: Container) -> list[dict[str, Any]]:
    """Return the JSON objects among the lines that a container has printed."""
    found = []
    for line in logs(container).splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict)]


def containers_of(project: str) -> list[Container]:
    """Find a compose project's containers."""
    label = f"com.docker.compose.project={project}"
    return list(docker.from_env().containers.list(all=True, filters={"label": label}))


def is_healthy(container: Container) -> bool:
    """Return whether a container is healthy; one that has exited raises at once."""
    container.reload()
    if container.status == "exited":
        raise RuntimeError(f"{container.name} has exited")
    return bool(container.attrs["State"]["Health"]["Status"] == "healthy")


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Poll until a condition holds.

    Raises:
        TimeoutError: It does not hold within `TIMEOUT_SECONDS`.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {TIMEOUT_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def compose_command() -> list[str]:
    """Find Docker Compose, version 2 or 1.

    Raises:
        RuntimeError: There is neither.
    """
    for command in (["docker", "compose"], ["docker-compose"]):
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*command, "version"], check=True, capture_output=True)
            return command
    raise RuntimeError("Docker Compose is not installed")
