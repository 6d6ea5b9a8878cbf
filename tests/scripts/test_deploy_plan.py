"""Terraform's plan: what is refused, where it is kept, and what a dry run shows of it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deployment.terraform_cli import ANY_IMAGE
from tests.deployment.emulated_account import (
    IMAGE,
    output_json,
)
from tests.deployment.fake_commands import PLAN

if TYPE_CHECKING:
    from tests.scripts.deploy_machine import Machine


def lossy(*actions: str) -> str:
    change = {
        "address": "module.event_stream.aws_kinesis_stream.stream",
        "type": "aws_kinesis_stream",
        "change": {"actions": actions},
    }
    return json.dumps({"resource_changes": [*PLAN["resource_changes"], change]})


def test_a_plan_that_deletes_data_is_not_applied(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.outputs["terraform show"] = lossy("delete", "create")

    assert machine.deploy("--image", IMAGE) == 1

    assert [line.split()[2] for line in machine.commands.ran] == ["plan"]
    assert capsys.readouterr().err == (
        "error: nothing was changed: this would delete data, or a consumer's place on the stream, "
        "with module.event_stream.aws_kinesis_stream.stream; LOSE_DATA=1 does it all the same\n"
    )


def test_a_plan_that_deletes_data_is_applied_if_just_that_is_asked_for(machine: Machine) -> None:
    machine.commands.outputs["terraform show"] = lossy("delete", "create")
    assert machine.deploy("--image", IMAGE, "--force") == 1
    assert machine.deploy("--image", IMAGE, "--lose-data") == 0
    assert [line.split()[2] for line in machine.commands.ran] == ["plan", "plan", "apply"]


def plan_of(command: str) -> Path:
    return Path(command.rpartition("-out=")[2])


@pytest.mark.parametrize("failing", ["terraform plan", "terraform apply"])
def test_the_plan_is_its_owners_alone_and_is_removed_whatever_happens(
    machine: Machine, failing: str
) -> None:
    modes: list[int] = []

    def write() -> None:
        path = plan_of(machine.commands.ran[-1])
        path.write_text("the settings")
        modes.append(stat.S_IMODE(path.stat().st_mode))
        if failing == "terraform plan":
            raise KeyboardInterrupt

    machine.commands.effects["terraform plan"] = write
    machine.commands.fail("terraform apply", "terraform apply failed with status 1")

    assert machine.deploy("--image", IMAGE) == (130 if failing == "terraform plan" else 1)

    assert modes == [0o600]
    assert not plan_of(machine.commands.ran[0]).exists()


def test_two_deployments_in_one_checkout_have_a_plan_each(machine: Machine) -> None:
    def deploy_meanwhile() -> None:
        del machine.commands.effects["terraform plan"]
        plan_of(machine.commands.ran[-1]).write_text("the first's")
        machine.commands.fail("terraform apply", "terraform apply failed with status 1")
        assert machine.deploy("--image", IMAGE) == 1
        del machine.commands.effects["terraform apply"]
        assert plan_of(machine.commands.ran[0]).read_text() == "the first's"

    machine.commands.effects["terraform plan"] = deploy_meanwhile

    assert machine.deploy("--image", IMAGE) == 0

    first, second, _, apply = machine.commands.ran
    assert plan_of(first) != plan_of(second)
    assert apply.endswith(f" {plan_of(first)}")


def test_a_dry_run_prints_what_would_be_run_and_changes_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.account("ecr").create_repository(repositoryName="ride-predictions")

    assert machine.deploy("--dry-run") == 0

    assert machine.commands.changes == 0
    assert machine.account.functions.writes == []
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()[:3]) for line in lines] == [
        "would run: docker",
        f"would run: {lines[1].split()[2]}",
        "would run: docker",
        "Terraform: 1 to",
        "would run: terraform",
        "would move traffic",
    ]
    assert lines[0].endswith(" < (a password)")
    assert lines[-1].endswith("to each new version: 10 %, 50 %, 100 %, each watched 300 s")


def test_a_dry_run_of_the_first_deployment_needs_nothing_on_aws(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.outputs["terraform output"] = output_json({})
    assert machine.deploy("--dry-run") == 0
    assert machine.commands.changes == 0
    assert machine.commands.environments[-1]["TF_VAR_image"] == ANY_IMAGE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" -target=module.repository")
    assert lines[1].startswith("would build, log in and push the image, with the tag 4ec0c33d1e5b0")
    assert lines[2] == "Terraform: 1 to create"
    assert lines[-1].startswith("would move traffic to each new version: ")


@pytest.mark.parametrize("deployed", [True, False])
def test_a_dry_run_refuses_what_would_be_lost_and_leaves_no_plan(
    machine: Machine, capsys: pytest.CaptureFixture[str], *, deployed: bool
) -> None:
    if not deployed:
        machine.commands.outputs["terraform output"] = output_json({})
    machine.commands.outputs["terraform show"] = lossy("delete", "create")

    assert machine.deploy("--image", IMAGE, "--dry-run") == 1

    shown = capsys.readouterr()
    assert shown.out.endswith("Terraform: 1 to create, 1 to replace\n")
    assert "with module.event_stream.aws_kinesis_stream.stream; LOSE_DATA=1" in shown.err
    assert machine.deploy("--image", IMAGE, "--dry-run", "--lose-data") == 0
    assert machine.commands.changes == 0
    first, second = machine.commands.ran
    assert not plan_of(first).exists()
    assert not plan_of(second).exists()


def test_a_dry_run_whose_plan_fails_fails(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.fail("terraform plan", "terraform plan failed with status 1")
    assert machine.deploy("--image", IMAGE, "--dry-run") == 1
    assert capsys.readouterr().err == "error: terraform plan failed with status 1\n"
