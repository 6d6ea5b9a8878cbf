"""Delete the deployment from AWS, but not its dead letters."""

import argparse
from collections.abc import Callable, Sequence

from cli.arguments import Parser
from cli.program import program
from deployment.account import Ask
from deployment.commands import Commands, DryRun, Processes
from deployment.errors import DeploymentError
from deployment.stack import stack_of
from deployment.target import ROOT, Clients, Target, add_target_options, open_target, terminal
from deployment.teardown import Kept, count_objects, kept_resources
from deployment.terraform import Terraform
from streaming import StreamingError


@program(DeploymentError, StreamingError, OSError)
def main(
    argv: Sequence[str] | None = None,
    *,
    start: Callable[[dict[str, str]], Commands] = lambda environment: Processes(ROOT, environment),
    clients: Clients | None = None,
    ask: Ask | None = None,
) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(argv)
    ask = ask or terminal()
    target = open_target(options, clients, ask)
    commands = start(target.variables())
    if options.dry_run:
        commands = DryRun(commands, print)
    terraform = Terraform(commands, options.folder)
    terraform.require()
    terraform.init()
    stack = stack_of(terraform.outputs())
    if stack and (stack.account_id, stack.region) != (target.account, target.region):
        raise DeploymentError(
            f"Terraform's state is of account {stack.account_id} in {stack.region}"
        )
    kept = kept_resources(terraform.state(), stack.dead_letter_bucket) if stack else None
    _confirm(options, target, terraform.settings().name, ask)
    if kept is None or kept.targets:
        terraform.destroy(kept.targets if kept else ())
    if kept and not options.dry_run:
        _say_what_stays(target, kept)
    return 0


def _confirm(options: argparse.Namespace, target: Target, name: str, ask: Ask | None) -> None:
    if options.yes or options.dry_run:
        return
    if ask is None:
        raise DeploymentError(f"this deletes {name} with both streams' records: confirm with YES=1")
    place = f"account {target.account}, {target.region}"
    if ask(f"Delete {name} in {place}, with both streams' records? Type its name: ") != name:
        raise DeploymentError("not confirmed, nothing was deleted")


def _say_what_stays(target: Target, kept: Kept) -> None:
    objects = count_objects(target.clients("s3"), kept.bucket)
    keys = f" and the key that encrypts them, {', '.join(kept.keys)}" if kept.keys else ""
    print(
        f"Deleted. These stay, as they are told to: the dead letters in s3://{kept.bucket} "
        f"({objects:,} objects){keys}. The next `make deploy` uses them again; docs/deploy.md says "
        "how to delete them."
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_target_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for the name")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run")
    return parser
