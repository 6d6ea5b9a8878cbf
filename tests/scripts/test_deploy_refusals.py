"""What `make deploy` refuses before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from deployment.errors import DeploymentError
from deployment.live_alias import AliasState
from tests.deployment.emulated_account import (
    ACCOUNT,
    IMAGE,
    REGION,
    output_json,
    outputs,
)
from tests.deployment.fake_commands import console, state

if TYPE_CHECKING:
    from tests.scripts.deploy_machine import Machine


@pytest.mark.parametrize("deployed", [True, False])
def test_an_image_of_another_architecture_is_refused_before_anything_is_changed(
    machine: Machine, capsys: pytest.CaptureFixture[str], *, deployed: bool
) -> None:
    if not deployed:
        machine.commands.outputs["terraform output"] = output_json({})
    machine.built = "amd64"

    assert machine.deploy("--image", IMAGE, "--force") == 1

    assert capsys.readouterr().err == (
        f"error: IMAGE is {IMAGE}, which is built for x86_64; allowed: arm64, as the functions are "
        "(ARCHITECTURE); nothing was changed\n"
    )
    assert machine.commands.ran == []


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        (
            {"account_id": "999999999999"},
            f"terraform.tfvars says account_id = 999999999999, and make says {ACCOUNT}",
        ),
        (
            {"region": "eu-west-1"},
            f"terraform.tfvars says region = eu-west-1, and make says {REGION}",
        ),
        (
            {"architecture": "x86_64"},
            "terraform.tfvars says architecture = x86_64, and make says ",
        ),
        ({"image": "r@sha256:1"}, "terraform.tfvars says image = r@sha256:1, and make says the"),
    ],
)
def test_settings_that_would_override_what_is_asked_for_are_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str], setting: dict[str, str], line: str
) -> None:
    machine.commands.outputs["terraform console"] = console(**setting)
    assert machine.deploy("--architecture", "arm64") == 1
    assert capsys.readouterr().err.startswith(f"error: {line}")
    assert machine.commands.ran == []


@pytest.mark.parametrize(
    ("values", "addresses"),
    [
        (outputs(region="eu-west-1"), ["aws_lambda_function.f", "aws_ecr_repository.r"]),
        (outputs(region="eu-west-1"), ["module.dead_letters.aws_s3_bucket.b"]),  # after `destroy`
        (
            {"repository_url": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/ride-predictions"},
            ["module.repository.aws_ecr_repository.images"],  # the first step of a deployment
        ),
    ],
)
def test_a_state_of_another_place_is_refused(
    machine: Machine,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, Any],
    addresses: list[str],
) -> None:
    machine.commands.outputs["terraform output"] = output_json(values)
    machine.commands.outputs["terraform state list"] = state(*addresses)
    assert machine.deploy("--image", IMAGE) == 1
    assert f"the state is of account {ACCOUNT} in eu-west-1;" in capsys.readouterr().err
    assert machine.commands.ran == []


def test_credentials_of_another_account_are_refused_in_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.deploy("--image", IMAGE, account="999999999999") == 1
    assert capsys.readouterr().err == (
        f"error: ACCOUNT is '999999999999', and the credentials are for {ACCOUNT}\n"
    )
    assert machine.commands.ran == []


def test_an_alarm_that_is_raised_stops_before_anything_is_built(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.account.set_alarm("errors")
    assert machine.deploy() == 1
    assert capsys.readouterr().err == (
        "error: in ALARM: errors; nothing was changed; FORCE=1 deploys all the same\n"
    )
    assert machine.commands.ran == []


def test_an_alias_between_two_versions_stops_before_anything_is_built(machine: Machine) -> None:
    between = AliasState("1", {"2": 0.5})
    machine.account.alias().write(between, replaces=machine.live())
    assert machine.deploy() == 1
    assert machine.commands.ran == []
    assert machine.live() == between


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--steps", "50,10"], "--steps is '50,10'; allowed: rising percentages from 1 to 100"),
        (["--steps", "0"], "--steps is '0'; allowed: rising percentages from 1 to 100"),
        (["--steps", "ten"], "--steps is 'ten'; allowed: percentages such as 10,50"),
        (["--bake", "-1"], "--bake is '-1'; allowed: a number above 0, or 0 for none"),
        (["--architecture", "arm"], "--architecture is 'arm'; allowed: arm64, x86_64"),
    ],
)
def test_an_option_that_is_not_allowed_is_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        machine.deploy(*arguments)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {line}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("given", ["my account", "", "123", "12345678901a", "1234567890123"])
def test_an_account_that_is_no_account_is_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        machine.deploy(account=given)
    assert capsys.readouterr().err == (
        f"error: --account is '{given}'; allowed: the 12 digits of an AWS account\n"
    )


def test_a_tool_that_is_missing_is_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.outputs["terraform version"] = DeploymentError("terraform is needed")
    assert machine.deploy("--image", IMAGE) == 1
    assert capsys.readouterr().err == "error: terraform is needed\n"
