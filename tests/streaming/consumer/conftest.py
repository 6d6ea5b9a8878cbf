"""The consumer of these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.streaming.consumer.harness import Harness

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)
