"""The soak: the real pipeline under faults, until every ride is accounted for. `make soak`."""

import argparse

from cli.program import program, run_program

if __name__ == "__main__":
    run_program("tests.soak.__main__")  # before the slow imports

from rich.console import Console

from cli.arguments import Parser, rate, whole_number
from local.errors import LocalError
from streaming.errors import StreamingError
from tests.soak.command_line import open_run_folder, soak_parser
from tests.soak.environment import SoakConfig
from tests.soak.report import print_report
from tests.soak.soak import run
from tests.soak.workload import Workload

DEFAULT_MINUTES = 1.0
DEFAULT_RATE = 400.0


@program(LocalError, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run one soak; the exit status is 0 only if nothing is lost, duplicated or out of order."""
    config = _config(_parser().parse_args(argv))
    console = Console()
    result = run(config, console.print)
    print_report(console, result, config.folder)
    return 0 if result.passed else 1


def _config(arguments: argparse.Namespace) -> SoakConfig:
    seconds = 60 * (arguments.minutes or DEFAULT_MINUTES)
    if arguments.rides is not None and arguments.minutes is None:
        seconds = None
    return SoakConfig(
        folder=open_run_folder(arguments.folder),
        workload=Workload(
            rides=arguments.rides,
            seed=arguments.seed,
            rides_per_record=arguments.rides_per_record,
        ),
        rate=arguments.rate,
        seconds=seconds,
        shards=arguments.shards,
        output_shards=arguments.output_shards,
        memory_mb=arguments.memory_mb,
        cpu_share=arguments.cpu_share,
        archive=True,
    )


def _parser() -> Parser:
    parser = soak_parser(
        "tests.soak", "The whole pipeline under faults.", default_rate=DEFAULT_RATE
    )
    parser.add_argument(
        "--minutes", type=rate, metavar="M", help="how long to put rides; default: 1, or --rides"
    )
    parser.add_argument("--rides", type=whole_number, metavar="N", help="how many rides to put")
    parser.add_argument(
        "--shards", type=whole_number, default=2, metavar="N", help="of the input stream"
    )
    parser.add_argument(
        "--output-shards", type=whole_number, default=4, metavar="N", help="of the output stream"
    )
    parser.add_argument(
        "--rides-per-record",
        type=whole_number,
        default=10,
        metavar="N",
        help="per aggregated record, on average",
    )
    parser.add_argument(
        "--memory-mb", type=whole_number, metavar="N", help="for each process of the function"
    )
    parser.add_argument(
        "--cpu-share", type=rate, metavar="S", help="of one CPU, for each of them; Lambda: 0.145"
    )
    return parser
