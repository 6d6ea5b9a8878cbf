"""From the start of a process to its first prediction."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import Spread, Start
from benchmarks.ride_batches import batch

ROOT = Path(__file__).resolve().parent.parent
IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")
STANDARD_LIBRARY = "Python's own"


class FirstPrediction(NamedTuple):
    """One start.

    Attributes:
        imported: Seconds until the handler was imported.
        predicted: Seconds until the first prediction was made.
        resident_mb: Resident memory then.
    """

    imported: float
    predicted: float
    resident_mb: float


def first_prediction(handler: str, environment: Mapping[str, str]) -> FirstPrediction:
    """Start a process and wait for its first prediction."""
    started = time.monotonic()
    told = _python(["-m", "benchmarks.first_prediction", handler], environment).stdout
    imported, predicted, resident = json.loads(told.splitlines()[-1])
    return FirstPrediction(imported - started, predicted - started, resident / 1024)


def summary(
    contender: str, starts: Sequence[FirstPrediction], packages: Mapping[str, float]
) -> Start:
    """Sum up some starts of one contender."""
    return Start(
        contender=contender,
        seconds=Spread.of([start.predicted for start in starts]),
        import_seconds=Spread.of([start.imported for start in starts]),
        resident_mb=Spread.of([start.resident_mb for start in starts]).median,
        packages=dict(packages),
    )


def import_times(module: str, environment: Mapping[str, str]) -> dict[str, float]:
    """Give the milliseconds that importing a module takes, by package, in the order of the imports.

    A package's own time counts, without that of others that it imports (Python, -X importtime).
    """
    return by_package(_python(["-X", "importtime", "-c", f"import {module}"], environment).stderr)


def by_package(told: str) -> dict[str, float]:
    """Sum what Python tells of imports; milliseconds by package."""
    standard = {name.lstrip("_") for name in sys.stdlib_module_names}
    packages: dict[str, float] = {}
    for microseconds, name in IMPORT_TIME.findall(told):
        package = name.partition(".")[0]
        label = STANDARD_LIBRARY if package.lstrip("_") in standard else package
        packages[label] = packages.get(label, 0.0) + int(microseconds) / 1000
    return packages


def _python(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  our own interpreter, our own modules
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=json.dumps(batch(1)),
        capture_output=True,
        text=True,
        check=True,
    )
