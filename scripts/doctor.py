"""Check what a deployment needs and what is deployed, and say what to do; changes nothing."""

import argparse
from collections.abc import Callable, Iterator, Sequence

from cli.arguments import Parser
from cli.printable import printable
from cli.program import FAILED, program
from deployment.checks import Finding, check_concurrency, check_shards, check_tools, ok
from deployment.commands import Commands, Processes
from deployment.errors import DeploymentError
from deployment.image_architecture import download
from deployment.stack import stack_of
from deployment.stack_checks import check_stack
from deployment.target import ROOT, Ask, Clients, add_target_options, open_target, terminal
from deployment.terraform_cli import ANY_IMAGE, Terraform
from streaming import StreamingError

DEFAULT_ARCHITECTURE = "arm64"
"""What infrastructure/variables.tf builds for where terraform.tfvars says nothing."""


@program(OSError)
def main(
    argv: Sequence[str] | None = None,
    *,
    start: Callable[[dict[str, str]], Commands] = lambda environment: Processes(ROOT, environment),
    clients: Clients | None = None,
    ask: Ask | None = None,
    download: Callable[[str], bytes] = download,
) -> int:
    """Run the program; its exit status is 0 only if nothing is wrong."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_target_options(parser)
    options = parser.parse_args(argv)
    wrong = False
    for finding in _findings(options, start, clients, ask or terminal(), download):
        print(printable(str(finding)), flush=True)
        wrong |= finding.level == "wrong"
    return FAILED if wrong else 0


def _findings(
    options: argparse.Namespace,
    start: Callable[[dict[str, str]], Commands],
    clients: Clients | None,
    ask: Ask | None,
    download: Callable[[str], bytes],
) -> Iterator[Finding]:
    commands = start({})
    terraform = Terraform(commands, options.folder)
    stack, reserved, problem = None, 0, ok("deployment", "none: `make deploy` makes one")
    try:
        stack = stack_of(terraform.outputs())
    except DeploymentError as error:
        problem = Finding("unknown", "deployment", str(error))
    yield from check_tools(
        commands, terraform, stack.architecture if stack else DEFAULT_ARCHITECTURE
    )
    try:
        target = open_target(options, clients, ask)
    except (DeploymentError, StreamingError) as error:
        yield Finding("wrong", "account", str(error))
        return
    yield ok("account", f"{target.account}, region {target.region}")
    if stack is None:
        yield problem
    elif (stack.account_id, stack.region) != (target.account, target.region):
        place = f"account {stack.account_id} in {stack.region}"
        yield Finding("wrong", "deployment", f"is in {place}: set ACCOUNT= and REGION=")
        stack = None
    if problem.level == "ok":
        try:
            variables = target.variables(image=ANY_IMAGE)
            reserved = Terraform(start(variables), options.folder).settings().reserved_concurrency
        except DeploymentError as error:
            yield Finding("unknown", "settings", str(error))
    yield from check_shards("Kinesis", target.clients("kinesis"))
    yield from check_concurrency("Lambda concurrency", target.clients, stack, reserved)
    if stack is not None:
        yield from check_stack(target.clients, stack, download)
