"""Where a program deploys to: the account, the region, and the clients for them."""

import argparse
import os
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.arguments import not_allowed
from deployment.account import ACCOUNT, Ask, confirmed_account
from streaming.clients import aws_client
from streaming.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
INFRASTRUCTURE = "infrastructure"

Clients = Callable[[str], Any]
"""Returns a boto3 client for a service."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account and a region.

    Attributes:
        account: 12 digits, compared with STS's.
        region: The region.
        clients: Clients for them.
    """

    account: str
    region: str
    clients: Clients

    def variables(self, **others: str | None) -> dict[str, str]:
        """Return the environment that hands Terraform its variables.

        Args:
            others: More variables; None: left to terraform.tfvars.
        """
        given = {"account_id": self.account, "region": self.region, **others}
        return {
            "TF_IN_AUTOMATION": "1",
            **{f"TF_VAR_{name}": value for name, value in given.items() if value is not None},
        }


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add `--account` and `--region` to a program."""
    parser.add_argument("--account", type=_account, metavar="ID", help="12 digits; default: asked")
    parser.add_argument("--region", help="default: AWS_REGION, or the profile's")
    parser.add_argument(
        "--folder", default=INFRASTRUCTURE, help="Terraform's; default: %(default)s"
    )


def open_target(options: argparse.Namespace, clients: Clients | None, ask: Ask | None) -> Target:
    """Check whose credentials there are, and for which region.

    Raises:
        SettingsError: The region or the credentials are missing.
        DeploymentError: The account is another one, or AWS does not accept the credentials.
    """
    if options.region:
        use_region(os.environ, options.region)
    clients = clients or aws_client
    sts = clients("sts")
    region = sts.meta.region_name
    if not region or region == "aws-global":
        raise SettingsError("AWS_REGION", None, "a region, such as eu-central-1 (REGION=...)")
    return Target(confirmed_account(options.account, sts, ask), region, clients)


def use_region(environment: MutableMapping[str, str], region: str) -> None:
    """Let every client, and every program that is started, use a region."""
    environment.update({"AWS_REGION": region, "AWS_DEFAULT_REGION": region})


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
        raise not_allowed(text, "the 12 digits of an AWS account")
    return text
