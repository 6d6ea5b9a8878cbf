"""The deployment that the tests look at; made once, and only where Terraform can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.infrastructure.deployment_life import Life, live
from tests.infrastructure.emulated_aws import emulated_aws
from tests.infrastructure.terraform_copy import unavailable

if TYPE_CHECKING:
    from pathlib import Path

LIVES = pytest.StashKey[Life]()


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Life:
    if reason := unavailable():
        pytest.skip(reason)
    folder: Path = tmp_path_factory.mktemp("terraform") / "infrastructure"
    with emulated_aws() as endpoint:
        lived = live(folder, endpoint)
    request.config.stash[LIVES] = lived
    return lived


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if (lived := config.stash.get(LIVES, None)) is not None:
        types = [values["type"] for values in lived.resources.values()]
        terminalreporter.write_line(f"{len(types)} resources on the emulator:")
        for kind in sorted(set(types)):
            terminalreporter.write_line(f"  {types.count(kind):3} {kind}")
        for step, seconds in lived.seconds.items():
            terminalreporter.write_line(f"  {seconds:5.1f} s  terraform {step}")
