from functools import partial
from typing import Any

import pytest

from deployment.account import confirmed_account
from deployment.errors import DeploymentError, WrongAccount
from tests.deployment.emulated_account import ACCOUNT, Account
from tests.fakes.kinesis import client_error

OTHER = "999999999999"


def test_the_account_that_is_given_must_be_the_credentials(account: Account) -> None:
    assert confirmed_account(ACCOUNT, account("sts"), None) == ACCOUNT
    line = f"^ACCOUNT is '{OTHER}', and the credentials are for {ACCOUNT}$"
    with pytest.raises(WrongAccount, match=line):
        confirmed_account(OTHER, account("sts"), None)


def test_an_account_that_is_not_given_is_asked_for_and_compared(account: Account) -> None:
    questions: list[str] = []

    def ask(question: str, answer: str) -> str:
        questions.append(question)
        return answer

    assert confirmed_account(None, account("sts"), partial(ask, answer=f"{ACCOUNT}\n")) == ACCOUNT
    assert f"arn:aws:sts::{ACCOUNT}:" in questions[0]
    for answer in (OTHER, "", "yes"):
        with pytest.raises(WrongAccount):
            confirmed_account(None, account("sts"), partial(ask, answer=answer))


@pytest.mark.parametrize("given", [None, "", "123", "12345678901a", "1234567890123"])
def test_without_a_person_an_account_must_be_given(account: Account, given: str | None) -> None:
    with pytest.raises(WrongAccount, match="allowed: the 12 digits of an AWS account"):
        confirmed_account(given, account("sts"), None)


def test_credentials_that_aws_does_not_accept_are_one_line() -> None:
    class ExpiredSts:
        def get_caller_identity(self) -> Any:
            raise client_error("ExpiredToken", "get_caller_identity", status=403)

    line = r"credentials cannot be read: ExpiredToken \(GetCallerIdentity, HTTP status 403\)"
    with pytest.raises(DeploymentError, match=line):
        confirmed_account(ACCOUNT, ExpiredSts(), None)
