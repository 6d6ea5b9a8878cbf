"""What small inputs that become large ones may take, in a process of its own."""

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
    not Path("/proc/self/clear_refs").exists(), reason="memory's peak is read from Linux's /proc"
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
def test_a_bomb_is_poison_and_takes_little_memory(
    bomb: str, measured: dict[str, dict[str, Any]]
) -> None:
    outcome = measured[bomb]

    assert outcome["response"] == {"batchItemFailures": []}
    assert outcome["dead"] == outcome["payloads"] >= len(BOMBS[bomb])
    assert outcome["bytes"] < MEMORY_LIMIT
