from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.archive.archive_state import archive_folder
from tests.streaming.archive.archive_fixtures import STREAM, kinesis_of

if TYPE_CHECKING:
    from pathlib import Path

    from streaming.storage import FolderStorage
    from tests.fakes.clock import Clock
    from tests.fakes.kinesis import FakeKinesis


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    return kinesis_of(clock)


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return archive_folder(tmp_path, STREAM)
