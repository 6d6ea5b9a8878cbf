"""What a run was measured on."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("aws-lambda-powertools", "botocore", "mlflow", "msgspec", "numpy", "onnxruntime")


def describe(load_before: float) -> dict[str, str]:
    """Return a description of this machine and its software, by label.

    Args:
        load_before: The one-minute load average before the run.
    """
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    processor = found[1] if found else platform.processor()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{processor}, {os.cpu_count()} cores",
        "memory": f"{memory:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "project": _revision(),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "load average before and after": f"{load_before:.2f}, {os.getloadavg()[0]:.2f}",
    }


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603  the user's git
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # not a checkout
    return found.stdout.strip()
