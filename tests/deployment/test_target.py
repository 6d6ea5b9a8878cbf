import io
import sys
from functools import partial
from typing import Any

import pytest

from deployment.errors import DeploymentError
from deployment.target import confirmed_account, terminal
from tests.deployment.emulated_account import ACCOUNT, Account
from tests.fakes.kinesis import client_error

OTHER = "999999999999"


class Terminal(io.StringIO):
    """A stream that a person is at."""

    def isatty(self) -> bool:
        return True


def test_ctrl_c_at_a_question_ends_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(question: str) -> str:
        sys.stdout.write(question)
        raise KeyboardInterrupt

    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr("builtins.input", interrupted)
    ask = terminal()
    assert ask is not None
    with pytest.raises(KeyboardInterrupt):
        ask("Type its name: ")
    assert shown.getvalue() == "Type its name: \n"


def test_ctrl_d_at_a_question_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())  # at its end
    monkeypatch.setattr(sys, "stdout", Terminal())
    ask = terminal()
    assert ask is not None
    assert ask("Type its name: ") == ""


def test_where_nobody_can_answer_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert terminal() is None


def test_the_account_that_is_given_must_be_the_credentials(account: Account) -> None:
    assert confirmed_account(ACCOUNT, account("sts"), None) == ACCOUNT
    line = f"^ACCOUNT is '{OTHER}', and the credentials are for {ACCOUNT}$"
    with pytest.raises(DeploymentError, match=line):
        confirmed_account(OTHER, account("sts"), None)


def test_an_account_that_is_not_given_is_asked_for_and_compared(account: Account) -> None:
    questions: list[str] = []

    def ask(question: str, answer: str) -> str:
        questions.append(question)
        return answer

    assert confirmed_account(None, account("sts"), partial(ask, answer=f"{ACCOUNT}\n")) == ACCOUNT
    assert f"arn:aws:sts::{ACCOUNT}:" in questions[0]
    for answer in (OTHER, "", "yes"):
        with pytest.raises(DeploymentError):
            confirmed_account(None, account("sts"), partial(ask, answer=answer))


def test_without_a_person_an_account_must_be_given(account: Account) -> None:
    with pytest.raises(DeploymentError, match="allowed: the 12 digits of an AWS account"):
        confirmed_account(None, account("sts"), None)


def test_credentials_that_aws_does_not_accept_are_one_line() -> None:
    class ExpiredSts:
        def get_caller_identity(self) -> Any:
            raise client_error("ExpiredToken", "get_caller_identity", status=403)

    line = r"credentials cannot be read: ExpiredToken \(GetCallerIdentity, HTTP status 403\)"
    with pytest.raises(DeploymentError, match=line):
        confirmed_account(ACCOUNT, ExpiredSts(), None)
