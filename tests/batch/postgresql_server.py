"""A PostgreSQL server for tests: its own folder, a Unix socket, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED = "REQUIRE_POSTGRESQL"
"""Set to 1 where a missing server is a failure, as `.ci/run` does."""

PLACES = "/usr/lib/postgresql"


def find_programs() -> Path | None:
    """Find the folder of `initdb` and `pg_ctl`, which Debian keeps out of the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(Path(PLACES).glob("*/bin"), default=None, key=lambda path: int(path.parent.name))


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[str]:
    """Start a server and yield the URL of its database; skip the test where there is none.

    Args:
        durable: Whether a commit reaches the disk before it returns, as by default.
    """
    programs = find_programs()
    if programs is None:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"PostgreSQL is not installed, and {REQUIRED} is 1")
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    # The server refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"

        def run(*command: str) -> None:
            subprocess.run(
                command, check=True, user=user, cwd=folder, stdout=log, stderr=log, timeout=60
            )

        with (folder / "log").open("w") as log:
            run(
                str(programs / "initdb"),
                "-D",
                str(data),
                "-A",
                "trust",
                "-U",
                "tests",
                "-E",
                "UTF8",
            )
            control = (str(programs / "pg_ctl"), "-D", str(data), "-w")
            options = f"-c listen_addresses='' -c fsync={'on' if durable else 'off'} -k {folder}"
            run(*control, "-o", options, "-l", str(folder / "server"), "start")
            try:
                yield f"postgresql://tests@/postgres?host={folder}"
            finally:
                run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
