from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from tests.deployment.emulated_account import REGION
from tests.scripts.deploy_machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.clock import Clock


@pytest.fixture
def machine(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):  # --region sets them
        monkeypatch.setenv(name, REGION)
    with mock_aws():
        yield Machine(clock)
