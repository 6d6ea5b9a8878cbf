from __future__ import annotations

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
