from __future__ import annotations

import pytest

from benchmarks.plots import start_bars
from benchmarks.startup import STANDARD_LIBRARY, by_package


def test_import_times_are_summed_by_package() -> None:
    log = """
import time: self [us] | cumulative | imported package
import time:      1000 |       1000 |   _json
import time:      2000 |       2000 |     numpy.linalg
import time:       500 |       2500 |   numpy
import time:       100 |       3600 | model
"""
    assert by_package(log) == {STANDARD_LIBRARY: 1.0, "numpy": 2.5, "model": 0.1}


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
