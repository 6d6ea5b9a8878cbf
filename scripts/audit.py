"""Look every locked package up in the OSV database of known vulnerabilities.

pip-audit exits alike for a vulnerability and for a database that it cannot reach, so the database
is tried first. Where it cannot be reached nothing is audited, and the program says so and succeeds,
so that CI without internet access can run it; --strict makes that a failure.
"""

import subprocess
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from cli.arguments import Parser
from cli.program import program

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
DATABASE = "https://api.osv.dev/v1/query"
REACH_SECONDS = 10

Run = Callable[[Sequence[str]], int]


def reach() -> None:
    """Send the database a query.

    Raises:
        OSError: It cannot be reached.
    """
    query = b'{"package": {"name": "pip-audit", "ecosystem": "PyPI"}}'
    request = urllib.request.Request(DATABASE, data=query)
    with urllib.request.urlopen(request, timeout=REACH_SECONDS):  # noqa: S310  the same
        return


def run(command: Sequence[str]) -> int:
    """Run a program; return its exit status."""
    return subprocess.run(command, check=False).returncode  # noqa: S603  this program's own


@program()
def main(
    argv: Sequence[str] | None = None,
    *,
    reach: Callable[[], None] = reach,
    run: Run = run,
    folder: Path = REQUIREMENTS,
) -> int:
    """Run the program; its exit status is 0 if no vulnerability is known."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--strict", action="store_true", help="fail if nothing could be audited")
    options = parser.parse_args(argv)
    try:
        reach()
    except OSError as error:
        print(f"Not audited: the database at {DATABASE} cannot be reached: {error}")
        return int(options.strict)
    status = 0
    for path in sorted(folder.glob("*.txt")):
        print(f"{path.name}:", flush=True)
        command = (sys.executable, "-m", "pip_audit", "--requirement", str(path))
        quiet = ("--progress-spinner", "off", "--vulnerability-service", "osv")
        status = max(status, run([*command, "--require-hashes", "--disable-pip", *quiet]))
    return status
