"""kinesis-local, a Kinesis emulator from npm that splits and merges shards as AWS does.

It needs node and npm. It is installed from its lock file into a folder of its own, and listens on
this machine alone.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.embedded_kinesis import HOST
from local.errors import StartError
from local.processes import last_line, start_process, stop_process

FILES = Path(__file__).resolve().parent / "kinesis-local"
START_SECONDS = 60.0
INSTALL_SECONDS = 300.0
POLL_SECONDS = 0.1
PORT = re.compile(r"plain HTTP on port (\d+)")


def missing_tools(path: str | None = None) -> list[str]:
    """Return the programs that kinesis-local needs and that are not installed.

    Args:
        path: Where to look for programs; None: the environment's PATH.
    """
    return [tool for tool in ("node", "npm") if shutil.which(tool, path=path) is None]


@contextmanager
def kinesis_local(folder: Path, *, start_seconds: float = START_SECONDS) -> Iterator[str]:
    """Install and start kinesis-local; yield its URL, and stop it when the context ends.

    Args:
        folder: The folder for its files and log.
        start_seconds: How long it may take until it listens.

    Raises:
        StartError: It cannot be installed, or it does not start.
    """
    package = _install(folder)
    log = folder / "kinesis-local.log"
    process = start_process(
        [str(shutil.which("node")), "--require", str(FILES / "loopback.cjs"), "main.js"],
        log=log,
        environment={**os.environ, "KINESIS_MOCK_PLAIN_PORT": "0", "KINESIS_MOCK_TLS_PORT": "1"},
        directory=package,  # it looks for its certificate there
    )
    try:
        deadline = time.monotonic() + start_seconds
        while not (port := PORT.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"kinesis-local does not start: {last_line(log)}")
            time.sleep(POLL_SECONDS)
        yield f"http://{HOST}:{port[1]}"
    finally:
        stop_process(process)


def _install(folder: Path) -> Path:
    if missing := missing_tools():
        raise StartError(f"kinesis-local needs {' and '.join(missing)}: not found")
    home = folder / "kinesis-local"
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FILES / name, home)
    done = subprocess.run(
        [str(shutil.which("npm")), "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode:
        raise StartError(f"npm cannot install kinesis-local: {done.stderr.strip()[-300:]}")
    return home / "node_modules" / "kinesis-local"
