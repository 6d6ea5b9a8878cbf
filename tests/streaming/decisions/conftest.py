from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.streaming.decisions.decision_fixtures import World, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as opened:
        yield opened
