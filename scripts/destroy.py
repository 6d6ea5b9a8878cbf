"""Delete the deployment from AWS, but not its dead letters."""

import argparse
from collections.abc import Callable, Sequence

from cli.arguments import Parser
from cli.printable import counted
from cli.program import program
from deployment.commands import Commands, DryRun, Processes
from deployment.errors import DeploymentError
from deployment.stack import check_place
from deployment.target import ROOT, Ask, Clients, Target, add_target_options, open_target, terminal
from deployment.teardown import Kept, count_objects, kept_resources
from deployment.terraform_cli import ANY_IMAGE, Terraform
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

    commands = start(target.variables(image=ANY_IMAGE))
    terraform = Terraform(DryRun(commands, print) if options.dry_run else commands, options.folder)
    terraform.require()
    terraform.init()
    settings = terraform.settings()
    settings.check(account_id=target.account, region=target.region)
    check_place(terraform.outputs(), target)
    kept = kept_resources(terraform.state())
    if not kept.targets:
        print("Nothing is deployed")
    else:
        _confirm(options, target, settings.name, ask)
        terraform.destroy(kept.targets)
    if not options.dry_run:
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
    for bucket in kept.buckets:
        objects = count_objects(target.clients("s3"), bucket)
        print(f"On purpose, the dead letters stay: s3://{bucket}, {counted(objects, 'object')}")
    for key in kept.keys:
        print(f"On purpose, the key that encrypts them stays: {key}")
    if kept.buckets or kept.keys:
        print("The next `make deploy` uses these again; docs/deploy.md says how to delete them.")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_target_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for the name")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run")
    return parser
