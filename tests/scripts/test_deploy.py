"""What a deployment builds, applies and moves."""

from __future__ import annotations

import signal
from datetime import timedelta

import pytest

from deployment.live_alias import AliasState
from tests.deployment.emulated_account import (
    ACCOUNT,
    FUNCTION,
    IMAGE,
    REGION,
    output_json,
    outputs,
)
from tests.deployment.fake_commands import state
from tests.scripts.deploy_machine import TERRAFORM, UNCHECKED, Machine


def test_an_image_is_applied_and_takes_all_traffic(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.deploy("--image", IMAGE) == 0

    plan, apply = machine.commands.ran
    assert plan.startswith(f"{TERRAFORM} plan -no-color -input=false -out=/")
    assert apply.startswith(f"{TERRAFORM} apply -no-color -input=false /")
    assert machine.live().version == "2"
    assert machine.clock.now() == timedelta(minutes=15).total_seconds()
    unchecked, *lines = capsys.readouterr().out.splitlines()
    assert unchecked.startswith(UNCHECKED)
    assert lines == [
        "Terraform: 1 to create",
        "duration_tip: version 1 to version 2",
        "10 % on the new version; watching alarms 300 s",
        "50 % on the new version; watching alarms 300 s",
        "100 % on the new version; watching alarms 300 s",
        (
            f"Deployed. Back again: make rollback ACCOUNT={ACCOUNT} REGION={REGION} "
            f"FUNCTIONS='{FUNCTION}'"
        ),
    ]


def test_terraform_gets_account_region_image_and_architecture(machine: Machine) -> None:
    machine.deploy("--image", IMAGE, "--architecture", "arm64")

    without, with_image = (
        {name: value for name, value in found.items() if name.startswith("TF_VAR")}
        for found in (machine.commands.environments[0], machine.commands.environments[-1])
    )
    assert without == {
        "TF_VAR_account_id": ACCOUNT,
        "TF_VAR_region": REGION,
        "TF_VAR_architecture": "arm64",
    }
    assert with_image == {**without, "TF_VAR_image": IMAGE}


def test_a_bad_version_is_put_back_by_its_alarm(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.at[40] = lambda: machine.account.set_alarm("errors")

    assert machine.deploy("--image", IMAGE, "--steps", "5", "--bake", "30") == 1

    assert machine.live() == AliasState("1", {}, "created")
    shown = capsys.readouterr()
    assert shown.out.endswith(f"{FUNCTION}:live is back at version 1\n")
    assert shown.err == "error: in ALARM: errors; the new version takes no more traffic\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_puts_the_traffic_back(
    machine: Machine, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    machine.at[20] = lambda: signal.raise_signal(number)

    assert machine.deploy("--image", IMAGE) == 130

    assert machine.live() == AliasState("1", {}, "created")
    assert capsys.readouterr().out.endswith("live is back at version 1\nInterrupted.\n")


def test_an_image_of_the_functions_architecture_is_deployed_without_a_word(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.built = "arm64"
    assert machine.deploy("--image", IMAGE) == 0
    assert capsys.readouterr().out.startswith("Terraform: 1 to create\n")


def test_the_checkouts_image_is_built_before_anything_is_applied(machine: Machine) -> None:
    machine.account("ecr").create_repository(repositoryName="ride-predictions")
    machine.commands.fail("docker push", "docker push failed with status 1")

    assert machine.deploy() == 1

    login, build, push = (line.split() for line in machine.commands.ran)
    assert build[1:4] == ["-m", "scripts", "image"]
    assert login[:2] == ["docker", "login"]
    assert push[:2] == ["docker", "push"]


def test_the_first_deployment_applies_the_repository_before_the_image(machine: Machine) -> None:
    machine.account("ecr").create_repository(repositoryName="ride-predictions")
    machine.commands.outputs["terraform output"] = output_json({})
    machine.commands.effects["terraform apply"] = lambda: machine.commands.outputs.update(
        {
            "terraform output": output_json({"repository_url": outputs()["repository_url"]}),
            "terraform state list": state("module.repository.aws_ecr_repository.images"),
        }
    )
    machine.commands.fail("docker push", "docker push failed with status 1")

    assert machine.deploy() == 1

    first, _, build, *_ = machine.commands.ran
    assert first == (
        f"{TERRAFORM} apply -no-color -input=false -auto-approve -target=module.repository"
    )
    assert " -m scripts image --name " in build


def test_a_version_that_is_live_already_moves_no_traffic(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.account.alias().write(AliasState("2"), replaces=machine.live())
    assert machine.deploy("--image", IMAGE) == 0
    assert capsys.readouterr().out.endswith("duration_tip: version 2 is live, and is the newest\n")
    assert machine.clock.now() == 0


def roll_back(machine: Machine) -> None:
    """Roll back from version 2, as `make rollback` does after a deployment."""
    live = machine.account.alias()
    deployed = live.write(AliasState("2", {}, "previous version: 1"), replaces=live.read())
    now, former = live.way_back()
    assert now == deployed
    live.write(former, replaces=now)


def test_a_version_that_was_rolled_back_from_gets_no_traffic_again(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    roll_back(machine)
    before = machine.live()

    assert machine.deploy("--image", IMAGE) == 1

    assert capsys.readouterr().err == (
        f"error: {FUNCTION}:live was rolled back from version 2, and nothing newer was published; "
        "no traffic was moved, the rest is applied; FORCE=1 deploys all the same\n"
    )
    assert machine.live() == before
    assert [line.split()[2] for line in machine.commands.ran] == ["plan", "apply"]


def test_a_version_that_was_rolled_back_from_is_deployed_if_just_that_is_asked_for(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    roll_back(machine)
    assert machine.deploy("--image", IMAGE, "--force") == 0
    assert (
        f"{FUNCTION}:live was rolled back from version 2, and nothing newer was published; "
        "going on, as FORCE=1 says\n" in capsys.readouterr().out
    )
    assert machine.live().version == "2"
    assert machine.live().left_version is None


def test_a_newer_version_than_the_one_that_was_rolled_back_from_is_deployed(
    machine: Machine,
) -> None:
    roll_back(machine)
    functions = machine.account.functions
    functions.update_function_configuration(FunctionName=FUNCTION, Timeout=50)
    functions.publish_version(FunctionName=FUNCTION)
    values = outputs()
    values["consumers"]["duration_tip"]["version"] = "3"
    machine.commands.outputs["terraform output"] = output_json(values)

    assert machine.deploy("--image", IMAGE) == 0

    assert machine.live().version == "3"
