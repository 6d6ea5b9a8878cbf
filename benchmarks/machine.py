"""What a run is measured on."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.results import Machine

LIBRARIES = ("aws-lambda-powertools", "botocore", "mlflow", "msgspec", "numpy", "onnxruntime")
ROOT = Path(__file__).resolve().parent.parent


def describe(load_before: float) -> Machine:
    """Describe this machine, at the end of a run.

    Args:
        load_before: The load average of the minute before the run.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(memory / 2**30, 1),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
        revision=_revision(),
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        load=(load_before, os.getloadavg()[0]),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor()


def _revision() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],  # noqa: S607  the user's git
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # not a checkout
    return found.stdout.strip()
