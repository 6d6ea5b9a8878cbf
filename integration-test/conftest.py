"""Stacks that several tests share, and the containers' logs in the report of a failed test."""

import signal
from collections.abc import Generator, Iterator
from types import FrameType

import pytest

from containers import Stack, compose_stack, logs

ERROR_PROBABILITY = "0.5"
STACKS = pytest.StashKey[list[Stack]]()


def pytest_configure(config: pytest.Config) -> None:
    """Take everything down on a CI system's SIGTERM, as on Ctrl-C."""
    config.stash[STACKS] = []
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def calm_stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """Provide a stack in which nothing fails."""
    with compose_stack("calm", {"KINESIS_ERROR_PROBABILITY": "0"}) as stack:
        pytestconfig.stash[STACKS].append(stack)
        yield stack
        pytestconfig.stash[STACKS].remove(stack)


@pytest.fixture(scope="session")
def throttled_stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """Provide a stack whose Kinesis refuses many puts."""
    with compose_stack("throttled", {"KINESIS_ERROR_PROBABILITY": ERROR_PROBABILITY}) as stack:
        pytestconfig.stash[STACKS].append(stack)
        yield stack
        pytestconfig.stash[STACKS].remove(stack)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the containers' logs to the report of a failure."""
    report = yield
    if report.failed:
        for stack in item.config.stash[STACKS]:
            for container in (stack.localstack, stack.function):
                report.sections.append((f"logs of {container.name}", logs(container)))
    return report
