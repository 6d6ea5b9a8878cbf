"""Go back to the former version of each function, at once: no build, no Terraform run."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from cli.arguments import Parser, not_allowed
from cli.printable import printable
from cli.program import FAILED, program
from deployment.commands import Commands, Processes
from deployment.errors import DeploymentError
from deployment.live_alias import LiveAlias
from deployment.stack import check_place, stack_of
from deployment.target import ROOT, Ask, Clients, Target, add_target_options, open_target, terminal
from deployment.terraform_cli import Terraform
from streaming import StreamingError

ALIAS = "live"


@program(DeploymentError, StreamingError, OSError)
def main(
    argv: Sequence[str] | None = None,
    *,
    start: Callable[[dict[str, str]], Commands] = lambda environment: Processes(ROOT, environment),
    clients: Clients | None = None,
    clock: Callable[[], float] = time.monotonic,
    ask: Ask | None = None,
) -> int:
    """Run the program; its exit status is 0 only if every alias is at its former version."""
    options = _parser().parse_args(argv)
    began = clock()
    target = open_target(options, clients, ask or terminal())
    failures = 0
    for alias in _aliases(options, target, start):
        try:
            now, former = alias.way_back(options.to)
            if options.dry_run:
                print(f"would move {alias} from {now} to {former}")
                continue
            alias.write(former, replaces=now)
            print(f"{alias} is at {former}, was at {now}")
        except DeploymentError as error:  # the other functions must go back all the same
            failures += 1
            print(f"error: {printable(str(error))}", file=sys.stderr)
    if not options.dry_run:
        print(f"Rolled back in {clock() - began:.1f} s" if not failures else "Not all rolled back")
    return FAILED if failures else 0


def _aliases(
    options: argparse.Namespace, target: Target, start: Callable[[dict[str, str]], Commands]
) -> list[LiveAlias]:
    client = target.clients("lambda")
    if options.functions:
        return [LiveAlias(client, name, ALIAS) for name in options.functions]
    terraform = Terraform(start(target.variables()), options.folder)
    outputs = terraform.outputs(deleted=True)  # a second less to wait
    check_place(outputs, target)
    stack = stack_of(outputs)
    if stack is None:
        raise DeploymentError(
            "Terraform's state has no function; FUNCTIONS= names those that are to go back"
        )
    return [
        LiveAlias(client, each.function_name, each.alias)
        for _, each in sorted(stack.functions.items())
    ]


def _version(text: str) -> str:
    """Parse a published version: $LATEST, which AWS would take, changes with each deployment."""
    if not (text.isascii() and text.isdigit()):
        raise not_allowed(text, "a published version, such as 3")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_target_options(parser)
    parser.add_argument(
        "--functions",
        nargs="+",
        metavar="NAME",
        help="functions, where Terraform's state is not at hand; default: those of its outputs",
    )
    parser.add_argument(
        "--to", type=_version, metavar="VERSION", help="default: what the alias records"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")
    return parser
