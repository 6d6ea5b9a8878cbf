from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from deployment.terraform_cli import ANY_IMAGE
from scripts.destroy import main
from tests.deployment.emulated_account import (
    ACCOUNT,
    BUCKET,
    REGION,
    Account,
    output_json,
    outputs,
)
from tests.deployment.fake_commands import (
    APPLIED,
    KEY,
    FakeCommands,
    console,
    terraform_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployment.target import Ask

DESTROY = (
    "terraform -chdir=infrastructure destroy -no-color -input=false -auto-approve "
    "-target=aws_sns_topic.own -target=module.consumer -target=module.event_stream"
)


class Machine:
    """A person's machine, with a deployment whose bucket has two dead letters."""

    def __init__(self) -> None:
        self.account = Account()
        self.commands = FakeCommands(outputs())
        self.commands.outputs["terraform show"] = terraform_state(*APPLIED)
        s3 = self.account("s3")
        s3.create_bucket(Bucket=BUCKET)
        for key in ("a", "b"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")

    def destroy(self, *arguments: str, ask: Ask | None = None) -> int:
        return main(
            ["--account", ACCOUNT, "--region", REGION, *arguments],
            start=self.commands.start,
            clients=self.account,
            ask=ask,
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):  # --region sets them
        monkeypatch.setenv(name, REGION)
    with mock_aws():
        yield Machine()


def test_everything_is_deleted_but_the_dead_letters_and_their_key(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.destroy("--yes") == 0

    assert machine.commands.ran == [DESTROY]
    # Terraform asks for the functions' image even to delete them.
    assert machine.commands.environments[-1]["TF_VAR_image"] == ANY_IMAGE
    assert capsys.readouterr().out == (
        f"On purpose, the dead letters stay: s3://{BUCKET}, 2 objects\n"
        f"On purpose, the key that encrypts them stays: {KEY}\n"
        "The next `make deploy` uses these again; docs/deploy.md says how to delete them.\n"
    )


def test_a_person_confirms_with_the_name(machine: Machine) -> None:
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return "ride-predictions"

    assert machine.destroy(ask=ask) == 0
    assert questions == [
        (
            f"Delete ride-predictions in account {ACCOUNT}, {REGION}, with both streams' records? "
            "Type its name: "
        )
    ]
    assert machine.commands.ran == [DESTROY]


@pytest.mark.parametrize("answer", ["", "yes", "ride-prediction"])
def test_without_that_confirmation_nothing_is_deleted(machine: Machine, answer: str) -> None:
    assert machine.destroy(ask=lambda _: answer) == 1
    assert machine.commands.ran == []


def test_where_nobody_can_be_asked_yes_must_be_given(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.destroy.terminal", lambda: None)
    assert machine.destroy() == 1
    assert capsys.readouterr().err == (
        "error: this deletes ride-predictions with both streams' records: confirm with YES=1\n"
    )
    assert machine.commands.ran == []


def test_destroying_again_deletes_nothing_and_says_what_stays(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.outputs["terraform show"] = terraform_state(*APPLIED[:5])
    assert machine.destroy("--yes") == 0
    assert machine.commands.ran == []
    assert capsys.readouterr().out.startswith("Nothing is deployed\nOn purpose, the dead letters")


def test_a_destroy_that_fails_says_nothing_of_success(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.fail("terraform destroy", "terraform destroy failed with status 1")
    assert machine.destroy("--yes") == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "error: terraform destroy failed with status 1\n")


def test_settings_of_another_account_are_refused(machine: Machine) -> None:
    machine.commands.outputs["terraform console"] = console(account_id="999999999999")
    assert machine.destroy("--yes") == 1
    assert machine.commands.ran == []


@pytest.mark.parametrize("place", [{"account_id": "999999999999"}, {"region": "eu-west-1"}])
def test_a_state_of_another_place_is_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str], place: dict[str, str]
) -> None:
    machine.commands.outputs["terraform output"] = output_json(outputs(**place))
    assert machine.destroy("--yes") == 1
    assert capsys.readouterr().err.startswith("error: the state is of account ")
    assert machine.commands.ran == []


def test_a_dry_run_prints_what_would_be_run(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.destroy("--dry-run") == 0
    assert capsys.readouterr().out == f"would run: {DESTROY}\n"
    assert machine.commands.ran == []
