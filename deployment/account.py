"""Whose account the credentials are for: given or asked for, and compared, never assumed."""

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment.errors import DeploymentError, WrongAccount
from streaming.aws_errors import describe_error

ACCOUNT = re.compile(r"\d{12}")

Ask = Callable[[str], str]
"""Asks a person a question, and returns the answer."""


def confirmed_account(given: str | None, sts: Any, ask: Ask | None) -> str:
    """Return the account that the credentials are for, if it is the one that is meant.

    Args:
        given: The account that is meant; None: ask for it.
        sts: A boto3 STS client.
        ask: None where nobody can be asked.

    Raises:
        WrongAccount: It is not, or nobody says which one is meant.
        DeploymentError: The credentials are not accepted.
    """
    if given is not None and not ACCOUNT.fullmatch(given):
        raise WrongAccount(f"ACCOUNT is {given!r}; allowed: the 12 digits of an AWS account")
    if given is None and ask is None:
        raise WrongAccount("ACCOUNT is not set; allowed: the 12 digits of an AWS account")
    identity = caller(sts)
    actual = str(identity["Account"])
    if given is None and ask is not None:
        given = ask(
            f"The credentials are of {identity['Arn']}.\nWhich account do you mean? "
        ).strip()
    if given != actual:
        raise WrongAccount(f"ACCOUNT is {given!r}, and the credentials are for {actual}")
    return actual


def caller(sts: Any) -> dict[str, Any]:
    """Return what STS says of the credentials.

    Raises:
        DeploymentError: They are not accepted.
    """
    try:
        return dict(sts.get_caller_identity())
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(
            f"the account of the credentials cannot be read: {describe_error(error)}; "
            "sign in again, or set AWS_PROFILE"
        ) from error
