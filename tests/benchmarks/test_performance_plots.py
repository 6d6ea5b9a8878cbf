from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks.performance_plots import main, start_bars
from benchmarks.startup import STANDARD_LIBRARY
from tests.benchmarks.sample_run import sample_run

if TYPE_CHECKING:
    from pathlib import Path


def test_every_plot_of_the_document_is_drawn_from_the_json(tmp_path: Path) -> None:
    results = tmp_path / "bench.json"
    results.write_bytes(msgspec.json.encode(sample_run()))

    assert main([str(results), str(tmp_path)]) == 0

    drawn = {path.stem for path in tmp_path.glob("*.svg")}
    assert drawn == {"throughput", "stages", "start", "cost"}


@pytest.mark.parametrize("content", [None, b"", b'{"machine": {}}'], ids=["none", "empty", "part"])
def test_without_results_one_line_says_what_makes_them(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "bench.json"
    if content is not None:
        results.write_bytes(content)

    with pytest.raises(SystemExit, match="2"):
        main([str(results), str(tmp_path)])

    error = capsys.readouterr().err
    assert error.startswith(f"error: {results} has no results of `make bench`: ")
    assert error.count("\n") == 1


def test_the_bars_of_a_start_add_up_to_it() -> None:
    packages = {STANDARD_LIBRARY: 60.0, "numpy": 90.0, "six": 1.0, "model": 2.0, "streaming": 47.0}

    bars = start_bars(packages, imported=0.400, predicted=0.420)

    assert bars == pytest.approx(
        {
            STANDARD_LIBRARY: 120,
            "numpy": 180,
            "other packages": 2,
            "models and client": 98,
            "first prediction": 20,
        }
    )
