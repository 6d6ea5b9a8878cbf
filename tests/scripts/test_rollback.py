from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from deployment.live_alias import AliasState
from scripts.rollback import main
from tests.deployment.emulated_account import ACCOUNT, FUNCTION, REGION, Account, outputs
from tests.deployment.fake_commands import FakeCommands

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = "ride-predictions-tip"


class Machine:
    """A person's machine, with two functions at version 2 that were at version 1 before."""

    def __init__(self) -> None:
        self.account = Account()
        both = outputs()
        consumer = both["consumers"]["duration_tip"]
        both["consumers"]["tip"] = {**consumer, "function_name": SECOND}
        self.commands = FakeCommands(both)
        for name in (FUNCTION, SECOND):
            self.account.create_function(name, live=2)
            alias = self.account.alias(name)
            alias.write(AliasState("2", {}, "previous version: 1"), replaces=alias.read())

    def rollback(self, *arguments: str) -> int:
        ticks = itertools.count(100.0, 1.25)
        return main(
            ["--account", ACCOUNT, "--region", REGION, *arguments],
            start=self.commands.start,
            clients=self.account,
            clock=lambda: next(ticks),
            ask=lambda _: "",
        )

    def versions(self) -> list[str]:
        return [self.account.alias(name).read().version for name in (FUNCTION, SECOND)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):  # --region sets them
        monkeypatch.setenv(name, REGION)
    with mock_aws():
        yield Machine()


def test_every_function_goes_back_and_the_seconds_are_printed(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.rollback() == 0

    assert machine.versions() == ["1", "1"]
    assert capsys.readouterr().out == (
        f"{FUNCTION}:live is at version 1, was at version 2\n"
        f"{SECOND}:live is at version 1, was at version 2\n"
        "Rolled back in 1.2 s\n"
    )


def test_named_functions_go_back_without_terraforms_state(machine: Machine) -> None:
    assert machine.rollback("--functions", SECOND) == 0
    assert machine.versions() == ["2", "1"]
    assert machine.commands.environments == []


def test_a_function_that_cannot_go_back_does_not_keep_the_others(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    alias = machine.account.alias()
    alias.write(AliasState("2"), replaces=alias.read())

    assert machine.rollback() == 1

    assert machine.versions() == ["2", "1"]
    shown = capsys.readouterr()
    assert f"error: {FUNCTION}:live is at version 2, and its description records no" in shown.err
    assert shown.out.endswith("Not all rolled back\n")


def test_a_dry_run_moves_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.rollback("--dry-run") == 0
    assert machine.versions() == ["2", "2"]
    assert capsys.readouterr().out.startswith(
        f"would move {FUNCTION}:live from version 2 to version 1\n"
    )


def test_a_state_without_functions_or_of_another_place_is_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands = FakeCommands({})
    assert machine.rollback() == 1
    machine.commands = FakeCommands(outputs(account_id="999999999999"))
    assert machine.rollback() == 1

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: Terraform's state has no function; FUNCTIONS= names those")
    assert second.startswith(
        "error: the state is of account 999999999999 in us-east-1; another account"
    )
    assert machine.versions() == ["2", "2"]


@pytest.mark.parametrize("version", ["$LATEST", "live", "1.0", "-1"])
def test_only_a_published_version_is_gone_to(
    machine: Machine, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        machine.rollback(f"--to={version}")
    line = f"error: --to is {version!r}; allowed: a published version, such as 3\n"
    assert capsys.readouterr().err == line
    assert machine.versions() == ["2", "2"]
