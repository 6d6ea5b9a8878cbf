"""The soak: the real pipeline under faults, until every ride is accounted for. `make soak`."""

import argparse
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from cli.arguments import rate, whole_number
from local.errors import LocalError
from streaming.errors import StreamingError
from tests.soak.environment import SoakConfig
from tests.soak.report import fault_rows, markdown, rows, show
from tests.soak.result import Result
from tests.soak.soak import run
from tests.soak.workload import Workload

FOLDER = Path("build/soak")
DEFAULT_MINUTES = 1.0
DEFAULT_RATE = 400.0
INTERRUPTED = 130
"""A shell's exit status for Ctrl-C."""

HEADER, FAULTS = ("", "count"), ("fault", "count")


def main(argv: list[str] | None = None) -> int:
    """Run one soak; the exit status is 0 only if nothing was lost, doubled or out of order."""
    setup = _setup(_parser().parse_args(argv))
    console = Console()
    setup.folder.mkdir(parents=True)
    logging.basicConfig(filename=setup.folder / "soak.log", format="%(asctime)s %(message)s")
    try:
        result = run(setup, console.print)
    except (LocalError, StreamingError) as error:
        console.print(f"error: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    tell(console, result, setup.folder)
    return 0 if result.passed else 1


def tell(console: Console, result: Result, folder: Path) -> None:
    """Print the tables, and keep them as Markdown."""
    show(console, "What went wrong on purpose", FAULTS, fault_rows(result))
    show(console, "What became of the rides", HEADER, rows(result))
    tables = [markdown(HEADER, rows(result)), markdown(FAULTS, fault_rows(result))]
    (folder / "table.md").write_text("\n".join([f"{' '.join(sys.argv)}\n", *tables]))
    console.print(f"Logs and these tables are in {folder}")
    if result.passed:
        console.print("PASSED: nothing lost, nothing out of order, dead letters exactly the poison")
    else:
        left = f"{result.stuck_shards} shards stuck, {result.unread} records unread"
        console.print(f"FAILED ({left}; the rest is in the table)", style="bold red")


def _setup(arguments: argparse.Namespace) -> SoakConfig:
    seconds = 60 * (arguments.minutes or DEFAULT_MINUTES)
    if arguments.rides is not None and arguments.minutes is None:
        seconds = None
    return SoakConfig(
        folder=arguments.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
        workload=Workload(
            rides=arguments.rides,
            seed=arguments.seed,
            rides_per_record=arguments.rides_per_record,
        ),
        rate=arguments.rate,
        seconds=seconds,
        shards=arguments.shards,
        output_shards=arguments.output_shards,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="The whole pipeline under faults."
    )
    parser.add_argument(
        "--minutes", type=rate, metavar="M", help="put rides for so long; default: 1, or --rides"
    )
    parser.add_argument("--rides", type=whole_number, metavar="N", help="put so many rides")
    parser.add_argument(
        "--rate", type=rate, default=DEFAULT_RATE, metavar="R", help="events a second: %(default)g"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--shards", type=whole_number, default=2, metavar="N", help="of the rides")
    parser.add_argument(
        "--output-shards", type=whole_number, default=4, metavar="N", help="of the predictions"
    )
    parser.add_argument(
        "--rides-per-record", type=whole_number, default=10, metavar="N", help="in an aggregate"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
