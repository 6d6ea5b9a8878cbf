"""Where a program deploys to: the account and the region, compared with the credentials'."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.arguments import not_allowed
from deployment.errors import DeploymentError, aws_errors
from streaming.clients import aws_client
from streaming.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = re.compile(r"\d{12}", re.ASCII)
TWELVE_DIGITS = "the 12 digits of an AWS account"

Clients = Callable[[str], Any]
"""Returns a boto3 client for a service."""

Ask = Callable[[str], str]
"""Asks a person a question, and returns the answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account, of 12 digits, and a region, with clients for them."""

    account: str
    region: str
    clients: Clients

    def variables(self, **others: str | None) -> dict[str, str]:
        """Return the environment that hands Terraform its variables; None: not given."""
        given = {"account_id": self.account, "region": self.region, **others}
        return {f"TF_VAR_{name}": value for name, value in given.items() if value is not None}


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add `--account`, `--region` and `--folder` to a program."""
    parser.add_argument("--account", type=_account, metavar="ID", help="12 digits; default: asked")
    parser.add_argument("--region", help="default: AWS_REGION, or the profile's")
    parser.add_argument(
        "--folder", default="infrastructure", help="Terraform's; default: %(default)s"
    )


def open_target(options: argparse.Namespace, clients: Clients | None, ask: Ask | None) -> Target:
    """Check whose credentials there are, and for which region.

    Raises:
        SettingsError: The region or the credentials are missing.
        DeploymentError: The account is another one, or AWS does not accept the credentials.
    """
    if options.region:  # for every client, and every program that is started
        os.environ.update({"AWS_REGION": options.region, "AWS_DEFAULT_REGION": options.region})
    clients = clients or aws_client
    sts = clients("sts")
    region = sts.meta.region_name
    if not region or region == "aws-global":
        raise SettingsError("AWS_REGION", None, "a region, such as eu-central-1 (REGION=...)")
    return Target(confirmed_account(options.account, sts, ask), region, clients)


def confirmed_account(given: str | None, sts: Any, ask: Ask | None) -> str:
    """Return the account that the credentials are for, if it is given, or a person says it.

    Raises:
        DeploymentError: Another one is meant, nobody says which, or AWS does not accept the
            credentials.
    """
    if given is None and ask is None:
        raise DeploymentError(f"ACCOUNT is not set; allowed: {TWELVE_DIGITS}")
    hint = "; sign in again, or set AWS_PROFILE"
    with aws_errors("the account of the credentials cannot be read", hint):
        identity = sts.get_caller_identity()
    actual = str(identity["Account"])
    if given is None and ask is not None:
        question = f"The credentials are of {identity['Arn']}.\nWhich account do you mean? "
        given = ask(question).strip()
    if given != actual:
        raise DeploymentError(f"ACCOUNT is {given!r}, and the credentials are for {actual}")
    return actual


def terminal() -> Ask | None:
    """Return a way to ask a person; None where nobody can answer."""
    return _ask if sys.stdin.isatty() and sys.stdout.isatty() else None


def _ask(question: str) -> str:
    try:
        return input(question)
    except EOFError:  # Ctrl-D
        return ""
    except KeyboardInterrupt:
        sys.stdout.write("\n")  # what is printed next begins on a line of its own
        raise


def _account(text: str) -> str:
    if not ACCOUNT.fullmatch(text):
        raise not_allowed(text, TWELVE_DIGITS)
    return text
