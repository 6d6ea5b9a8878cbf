"""What a million predictions cost, each way."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.deployment_cost import Settings
from benchmarks.ways_cost import TASK_HOUR, main, ways_table

ROOT = Path(__file__).parent.parent.parent


def dollars() -> dict[tuple[str, str], float]:
    return {(row[0], row[1]): float(row[3]) for row in ways_table(Settings()).rows}


def test_the_document_has_the_table_that_the_command_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main() == 0

    lines = capsys.readouterr().out.split("\n\n", 1)[1]
    assert lines in (ROOT / "docs" / "three-ways.md").read_text()


def test_a_task_that_waits_for_an_event_a_second_costs_its_hours() -> None:
    assert dollars()["web", "1/s"] == pytest.approx(TASK_HOUR * 1e6 / 3600, abs=1e-4)


def test_a_function_url_costs_its_requests_and_whole_milliseconds() -> None:
    # 0.28 ms of a whole core are 0.97 ms at 512 MB: one, half a GB of it, on arm64.
    expected = 0.20 + 1e6 * 0.001 * 0.5 * 0.0000133334
    assert dollars()["web, function URL", "any"] == pytest.approx(expected, abs=1e-4)
