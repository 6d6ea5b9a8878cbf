"""Compare the latest registered models with the champion, promote what is better, publish it."""

import sys
from itertools import chain
from pathlib import Path

from rich.console import Console

from cli.arguments import Parser, names
from cli.printable import printable
from cli.program import FAILED, program
from cli.step_progress import StepProgress
from lifecycle.errors import LifecycleError
from lifecycle.promotion import Decision, Outcome, PromotionRequest, promote
from lifecycle.publication import POINTER
from lifecycle.registry import Registry, parse_versions
from lifecycle.registry_tables import comparison_table
from scripts.champion_options import add_champion_options, author, publication
from streaming import StreamingError
from training.errors import TrainingError
from training.trips import require_files


@program(LifecycleError, TrainingError, StreamingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program; its exit status is 1 if there are candidates and none was promoted."""
    options = _parser().parse_args(arguments)
    data = [Path(name) for name in chain.from_iterable(options.data)]
    versions = parse_versions(options.version) if options.version else {}
    require_files(data)
    published = publication(options)
    with StepProgress(Console(stderr=True)) as progress:
        request = PromotionRequest(author(options), versions, data, options.force)
        outcome = promote(Registry(), published, request, progress)
    return report(outcome, options.publish)


def report(outcome: Outcome, publish: str) -> int:
    """Print what a promotion has done; return 1 if there were candidates and none was promoted.

    Args:
        outcome: What it has done.
        publish: Where the pointer is.
    """
    console = Console(file=sys.stdout)
    for decision in outcome.decisions:
        if decision.comparison:
            console.print(comparison_table(decision.comparison))
    for decision in outcome.decisions:
        print(printable(_sentence(decision)))
    if not outcome.decisions:
        print("The champion has these versions already; nothing was compared.")
    print(f"{outcome.served} serves: MODEL_LOCATION={publish}/{POINTER}")
    decided = [decision.is_promoted for decision in outcome.decisions]
    return FAILED if decided and not any(decided) else 0


def _sentence(decision: Decision) -> str:
    name = f"{decision.target} version {decision.candidate}"
    if decision.is_promoted:
        return f"{name} is the champion now ({decision.reason})."
    return f"{name} is not promoted: {decision.reason}."


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--data",
        type=names,
        nargs="+",
        default=[],
        metavar="FILE",
        help="parquet files of months that neither the candidate nor the champion was trained on",
    )
    parser.add_argument(
        "--version",
        metavar="duration-7-tip-5",
        help="registered versions to promote, or that of one target (default: the latest)",
    )
    parser.add_argument(
        "--force", action="store_true", help="promote whatever the comparison says, or without one"
    )
    add_champion_options(parser)
    return parser
