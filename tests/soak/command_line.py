"""What the soak's programs share on the command line."""

import argparse
import logging
from datetime import UTC, datetime
from pathlib import Path

from cli.arguments import rate

FOLDER = Path("build/soak")
INTERRUPTED = 130
"""A shell's exit status for Ctrl-C."""


def soak_parser(program: str, description: str, *, default_rate: float) -> argparse.ArgumentParser:
    """Create a parser with the options that every soak has."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument(
        "--rate",
        type=rate,
        default=default_rate,
        metavar="R",
        help="events per second; default: %(default)g",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    return parser


def create_run_folder(parent: Path, suffix: str = "") -> Path:
    """Create a folder for one run, named by its start, and write this program's log there."""
    folder = parent / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}{suffix}"
    folder.mkdir(parents=True)
    logging.basicConfig(filename=folder / "soak.log", format="%(asctime)s %(message)s")
    return folder
