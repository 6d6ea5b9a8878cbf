"""What the soak's programs share on the command line."""

import logging
from pathlib import Path

from cli.arguments import Parser, rate, seed
from cli.run_folder import create_run_folder

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


def open_run_folder(parent: Path, suffix: str = "") -> Path:
    """Create a folder for one run, and write this program's log there."""
    folder = create_run_folder(parent, suffix)
    logging.basicConfig(filename=folder / "soak.log", format="%(asctime)s %(message)s")
    return folder
