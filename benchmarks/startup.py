"""From the start of a process to its first prediction."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.contenders import COURSE, HANDLERS, OURS
from benchmarks.results import Spread, Start
from benchmarks.ride_batches import batch

ROOT = Path(__file__).resolve().parent.parent
IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")
STANDARD_LIBRARY = "standard library"

FIRST_PREDICTION = """
import json, sys, time
from {module} import {function} as handler
imported = time.monotonic()
handler(json.load(sys.stdin), None)
predicted = time.monotonic()
status = open("/proc/self/status").read()
print(json.dumps([imported, predicted, int(status.partition("VmRSS:")[2].split()[0])]))
"""
"""The program that is timed; it imports next to nothing itself, since its imports would count.

All processes of a Linux machine share the monotonic clock.
"""


def measure_starts(environment: Mapping[str, str], times: int) -> list[Start]:
    """Start the contenders in turns.

    Args:
        environment: Variables on top of this process's own.
        times: Starts of each contender.
    """
    starts: dict[str, list[tuple[float, float, float]]] = {OURS: [], COURSE: []}
    for name in starts:
        _first_prediction(name, environment)  # compiles the bytecode
    for _ in range(times):
        for name, measured in starts.items():
            measured.append(_first_prediction(name, environment))
    return [_summary(name, measured, environment) for name, measured in starts.items()]


def _summary(
    name: str, starts: Sequence[tuple[float, float, float]], environment: Mapping[str, str]
) -> Start:
    imported, predicted, resident = (Spread.of(values) for values in zip(*starts, strict=True))
    return Start(name, imported, predicted, resident, import_times(name, environment))


def _first_prediction(contender: str, environment: Mapping[str, str]) -> tuple[float, float, float]:
    """Return the seconds to the imported handler and to the first prediction, and resident MiB."""
    module, _, function = HANDLERS[contender].rpartition(".")
    program = FIRST_PREDICTION.format(module=module, function=function)
    started = time.monotonic()
    output = _python(["-c", program], environment).stdout
    imported, predicted, resident_kb = json.loads(output.splitlines()[-1])
    return imported - started, predicted - started, resident_kb / 1024


def import_times(contender: str, environment: Mapping[str, str]) -> dict[str, float]:
    """Return milliseconds of import by package, in import order (Python, -X importtime)."""
    module = HANDLERS[contender].rpartition(".")[0]
    return by_package(_python(["-X", "importtime", "-c", f"import {module}"], environment).stderr)


def by_package(import_log: str) -> dict[str, float]:
    """Sum the milliseconds of an import log by package, without what each imports of others."""
    standard = {name.lstrip("_") for name in sys.stdlib_module_names}
    packages: dict[str, float] = {}
    for microseconds, name in IMPORT_TIME.findall(import_log):
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
