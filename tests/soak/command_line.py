"""What the soak's programs share on the command line."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from cli.arguments import Parser, rate, seed

FOLDER = Path("build/soak")


def soak_parser(program: str, description: str, *, default_rate: float) -> Parser:
    """Create a parser with the options that every soak has."""
    parser = Parser(prog=f"python -m {program}", description=description)
    parser.add_argument(
        "--rate",
        type=rate,
        default=default_rate,
        metavar="R",
        help="events per second; default: %(default)g",
    )
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    return parser


def create_run_folder(parent: Path, suffix: str = "") -> Path:
    """Create a folder for one run, named by its start, and write this program's log there."""
    folder = parent / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}{suffix}"
    folder.mkdir(parents=True)
    logging.basicConfig(filename=folder / "soak.log", format="%(asctime)s %(message)s")
    return folder
