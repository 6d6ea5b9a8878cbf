"""The memory that inputs that expand may need, measured in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bombs import BOMBS, write_bombs

MEMORY_LIMIT = 150_000_000
DEADLINE_SECONDS = 120

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc"
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("bombs")
    write_bombs(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bombs", str(folder)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    return {line["bomb"]: line for line in lines}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_dead_lettered_within_the_memory_limit(
    bomb: str, measured: dict[str, dict[str, Any]]
) -> None:
    result = measured[bomb]

    assert result["response"] == {"batchItemFailures": []}
    assert result["dead_lettered"] == result["received"] >= len(BOMBS[bomb])
    assert result["bytes"] < MEMORY_LIMIT
