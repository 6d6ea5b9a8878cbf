"""Checks when a schedule runs before anything starts, with the parser that Prefect has in itself.

As a program, it says by its exit status whether its argument is a CRON.
"""

import subprocess
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from batch.errors import BatchError, InvalidRequest
from batch.row_mapping import ZONE

ALLOWED = 'five fields for a time that comes, such as "0 3 * * *"'
REFUSED = 3
"""The exit status of this program; 1 is Python's own."""


def check_cron(cron: str) -> None:
    """Refuse a CRON that Prefect does not take, or whose time never comes.

    A process of its own asks Prefect, which reads its settings when it is imported: here, its
    server has no address yet. `prefect_environment.prepare_environment` has come before.

    Raises:
        InvalidRequest: It is refused.
        BatchError: Prefect cannot be asked.
    """
    done = subprocess.run(  # noqa: S603  this module
        [sys.executable, "-m", "batch.cron", cron], capture_output=True, check=False, text=True
    )
    if done.returncode == REFUSED:
        raise InvalidRequest(f"CRON is {cron!r}; allowed: {ALLOWED}")
    if done.returncode:
        raise BatchError(f"CRON cannot be checked: {done.stderr.strip().rpartition(chr(10))[2]}")


def is_cron(cron: str) -> bool:
    """Return whether Prefect takes a CRON and its time comes; this imports Prefect."""
    from prefect._vendor.croniter import croniter  # noqa: PLC0415  see above
    from prefect.schedules import Cron  # noqa: PLC0415

    try:
        Cron(cron, timezone=ZONE)
        croniter(cron, datetime.now(ZoneInfo(ZONE))).get_next()
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if is_cron(sys.argv[1]) else REFUSED)
