"""The memory and the CPU time that any input may need, measured in a separate process.

docs/reliability.md states both limits.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bombs import BOMBS, MATRIX, write_bombs

MEMORY_LIMIT = 100_000_000
"""Bytes. With 256 MB, a function that takes 101 MB when it is idle has half as much again left."""

CPU_LIMIT = 200
"""How many times as long a byte as put may take as a byte of ordinary rides. It was at most 91."""

OVERHEAD_SECONDS = 0.005
"""CPU time that a batch may take however small it is."""

DEADLINE_SECONDS = 300

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


def test_no_field_takes_more_memory_in_any_envelope(measured: dict[str, dict[str, Any]]) -> None:
    large = {name: measured[name]["bytes"] for name in MATRIX}
    assert {name: size for name, size in large.items() if size >= MEMORY_LIMIT} == {}
    assert all(measured[name]["response"] == {"batchItemFailures": []} for name in MATRIX)


def test_the_cpu_time_of_any_batch_is_bounded_by_its_bytes_as_put(
    measured: dict[str, dict[str, Any]],
) -> None:
    assert len(measured) == len(BOMBS) + len(MATRIX)
    expensive = {
        name: result["rides"]
        for name, result in measured.items()
        if result["rides"] > CPU_LIMIT and result["seconds"] > OVERHEAD_SECONDS
    }
    assert expensive == {}
