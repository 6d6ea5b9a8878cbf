"""Check what a deployment needs and what is deployed, and say what to do; changes nothing."""

import argparse
from collections.abc import Callable, Iterator, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from cli.arguments import Parser
from cli.printable import printable
from cli.program import FAILED, program
from deployment.account import Ask
from deployment.account_checks import check_concurrency, check_shards
from deployment.commands import Commands, Processes
from deployment.errors import DeploymentError
from deployment.findings import Finding, Level, ok
from deployment.image_architecture import download
from deployment.stack import Stack, stack_of
from deployment.stack_checks import check_stack, needed_concurrency
from deployment.target import ROOT, Clients, Target, add_target_options, open_target, terminal
from deployment.terraform_cli import Terraform
from deployment.tool_checks import check_tools
from streaming import StreamingError
from streaming.aws_errors import describe_error


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
    options = _parser().parse_args(argv)
    wrong = False
    for finding in _findings(options, start, clients, ask or terminal(), download):
        print(printable(str(finding)), flush=True)
        wrong |= finding.level is Level.WRONG
    return FAILED if wrong else 0


def _findings(
    options: argparse.Namespace,
    start: Callable[[dict[str, str]], Commands],
    clients: Clients | None,
    ask: Ask | None,
    download: Callable[[str], bytes],
) -> Iterator[Finding]:
    commands = start({"TF_IN_AUTOMATION": "1"})
    terraform = Terraform(commands, options.folder)
    stack, problem = _stack(terraform)
    yield from check_tools(commands, terraform, stack.architecture if stack else None)
    try:
        target = open_target(options, clients, ask)
    except (DeploymentError, StreamingError) as error:
        yield Finding(Level.WRONG, "account", str(error))
        return
    yield ok("account", f"{target.account}, region {target.region}")
    if problem:
        yield problem
    elif stack is None:
        yield ok("deployment", "none: `make deploy` makes one")
    elif (stack.account_id, stack.region) != (target.account, target.region):
        place = f"account {stack.account_id} in {stack.region}"
        yield Finding(Level.WRONG, "deployment", f"is in {place}: set ACCOUNT= and REGION=")
        stack = None
    yield from check_shards(target.clients("kinesis"))
    yield from check_concurrency(target.clients("lambda"), _needed(target, stack))
    if stack is not None:
        yield from check_stack(target.clients, stack, download)


def _stack(terraform: Terraform) -> tuple[Stack | None, Finding | None]:
    try:
        return stack_of(terraform.current_outputs()), None
    except DeploymentError as error:
        return None, Finding(Level.UNKNOWN, "deployment", str(error))


def _needed(target: Target, stack: Stack | None) -> int | None:
    if stack is None:
        return None
    try:
        return needed_concurrency(target.clients, stack)
    except (BotoCoreError, ClientError) as error:
        print(Finding(Level.UNKNOWN, "Lambda concurrency needed", describe_error(error)))
        return None


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_target_options(parser)
    return parser
