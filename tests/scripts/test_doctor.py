from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from deployment.errors import CommandFailed, ToolMissing
from scripts.doctor import main
from tests.deployment.emulated_account import ACCOUNT, REGION, Account, outputs
from tests.deployment.fake_commands import FakeCommands

if TYPE_CHECKING:
    from collections.abc import Iterator


class ReadOnly:
    """Clients that refuse every call which is not a read."""

    def __init__(self, account: Account) -> None:
        self.calls: list[str] = []
        self._account = account

    def __call__(self, service: str) -> object:
        return _ReadOnlyClient(self._account(service), self.calls)


class _ReadOnlyClient:
    def __init__(self, client: object, calls: list[str]) -> None:
        self._client = client
        self._calls = calls

    def __getattr__(self, name: str) -> object:
        if name != "meta":
            assert name.startswith(("get_", "describe_", "list_", "batch_get_")), name
            self._calls.append(name)
        return getattr(self._client, name)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):  # --region sets them
        monkeypatch.setenv(name, REGION)
    with mock_aws():
        yield Account()


def doctor(account: Account, commands: FakeCommands, given: str = ACCOUNT) -> int:
    return main(
        ["--account", given, "--region", REGION],
        start=commands.start,
        clients=ReadOnly(account),
        ask=lambda _: "",
        download=lambda _: b'{"architecture": "arm64"}',
    )


def test_before_a_deployment_tools_account_and_quotas_are_checked(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = FakeCommands({})

    assert doctor(account, commands) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split(maxsplit=1)[1] for line in lines] == [
        "terraform",
        "git",
        "docker",
        "account",
        "deployment",
        "Kinesis, shards",
        "Kinesis, on-demand streams",
        "Lambda concurrency",
    ]
    assert commands.ran == []


def test_everything_that_is_deployed_is_checked_and_a_wrong_finding_is_status_1(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.create_function(live=2)
    for stream in ("events", "predictions"):
        account("kinesis").create_stream(StreamName=stream, ShardCount=1)
    commands = FakeCommands(outputs())

    assert doctor(account, commands) == 1

    shown = capsys.readouterr().out
    for stream in ("events", "predictions"):
        assert f"wrong    stream {stream}, encryption: is NONE; should be KMS" in shown
    assert "ok       alias duration_tip: version 2" in shown
    assert "unknown  mapping duration_tip: cannot be read (ResourceNotFoundException" in shown
    assert commands.ran == []


def test_credentials_of_another_account_end_the_checks_of_aws(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(account, FakeCommands({}), given="999999999999") == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"wrong    account: ACCOUNT is '999999999999', and the credentials are for {ACCOUNT}"
    )


def test_a_deployment_elsewhere_is_wrong(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(account, FakeCommands(outputs(region="eu-west-1"))) == 1
    line = f"wrong    deployment: is in account {ACCOUNT} in eu-west-1: set ACCOUNT= and REGION="
    assert line in capsys.readouterr().out


def test_settings_that_are_not_allowed_are_unknown_and_the_rest_is_checked(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = FakeCommands({})
    commands.outputs["terraform console"] = CommandFailed(
        "terraform console failed: Error: Invalid value for variable: shards: allowed is 1"
    )

    assert doctor(account, commands) == 0

    shown = capsys.readouterr().out
    line = "unknown  settings: infrastructure/terraform.tfvars or a variable of make: Invalid value"
    assert line in shown
    assert " Lambda concurrency:" in shown
    assert commands.environments[-1]["TF_VAR_account_id"] == ACCOUNT


def test_without_terraform_the_rest_is_checked(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = FakeCommands({})
    for command in ("terraform version", "terraform output"):
        commands.outputs[command] = ToolMissing("terraform is needed and not installed")

    assert doctor(account, commands) == 1

    shown = capsys.readouterr().out
    assert "wrong    terraform: terraform is needed and not installed" in shown
    assert "ok       Kinesis, shards:" in shown
