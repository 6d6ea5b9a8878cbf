from __future__ import annotations

import json
import signal
import stat
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from deployment.errors import CommandFailed, DeploymentError
from deployment.former_version import former_state
from deployment.live_alias import AliasState
from deployment.traffic_shift import Waiting
from scripts.deploy import main
from tests.deployment.emulated_account import (
    ACCOUNT,
    DIGEST,
    FUNCTION,
    IMAGE,
    REGION,
    Account,
    output_json,
    outputs,
)
from tests.deployment.fake_commands import PLAN, FakeCommands, console, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes.clock import Clock

UNCHECKED = (
    f"The image's architecture is not checked: {IMAGE} cannot be read: RepositoryNotFoundException"
)
TERRAFORM = "terraform -chdir=infrastructure"


class Built:
    """ECR with one image, whose configuration can be downloaded, which moto's cannot."""

    def batch_get_image(self, **request: Any) -> Any:
        assert request["imageIds"] == [{"imageDigest": DIGEST}]
        return {"images": [{"imageManifest": '{"config": {"digest": "sha256:1"}}'}]}

    def get_download_url_for_layer(self, **_request: Any) -> Any:
        return {"downloadUrl": "https://layers"}


class Machine:
    """A person's machine, with an account in which version 1 is live and 2 is published."""

    def __init__(self, clock: Clock) -> None:
        self.account = Account()
        self.commands = FakeCommands(outputs())
        self.clock = clock
        self.built: str | None = None
        self.at: dict[float, Callable[[], object]] = {}
        self.account.create_function()
        self.account.create_alarm("errors")

    def pause(self, seconds: float) -> bool:
        self.clock.advance(seconds)
        for time in [time for time in self.at if time <= self.clock.now()]:
            self.at.pop(time)()
        return False

    def deploy(self, *arguments: str, account: str = ACCOUNT) -> int:
        return main(
            ["--account", account, "--region", REGION, *arguments],
            start=self.commands.start,
            clients=self.clients,
            waiting=lambda stop: Waiting(
                clock=self.clock.now, pause=lambda seconds: self.pause(seconds) or stop.pause(0)
            ),
            ask=lambda _: "",
            download=lambda _: json.dumps({"architecture": self.built}).encode(),
        )

    def clients(self, service: str) -> Any:
        return Built() if service == "ecr" and self.built else self.account(service)

    def live(self) -> AliasState:
        return self.account.alias().read()


@pytest.fixture
def machine(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):  # --region sets them
        monkeypatch.setenv(name, REGION)
    with mock_aws():
        yield Machine(clock)


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

    build, login, push = (line.split() for line in machine.commands.ran)
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

    first, build, *_ = machine.commands.ran
    assert first == (
        f"{TERRAFORM} apply -no-color -input=false -auto-approve -target=module.repository"
    )
    assert " -m scripts image --name " in build


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"account_id": "999999999999"}, f"ACCOUNT is {ACCOUNT}, and terraform.tfvars says 9999"),
        ({"region": "eu-west-1"}, f"REGION is {REGION}, and terraform.tfvars says eu-west-1"),
        ({"architecture": "x86_64"}, "ARCHITECTURE is arm64, and terraform.tfvars says x86_64"),
        (
            {"image": "r@sha256:1"},
            "terraform.tfvars says image = r@sha256:1, which would be deployed: remove it, ",
        ),
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
    now, former = former_state(live)
    assert now == deployed
    live.write(former, replaces=now)


def test_a_version_that_was_rolled_back_from_gets_no_traffic_again(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    roll_back(machine)
    before = machine.live()

    assert machine.deploy("--image", IMAGE) == 1

    assert capsys.readouterr().err == (
        f"error: {FUNCTION}:live was rolled back from version 2, and nothing newer was published: "
        "no traffic was moved, the rest is applied; FORCE=1 moves it all the same\n"
    )
    assert machine.live() == before
    assert [line.split()[2] for line in machine.commands.ran] == ["plan", "apply"]


def test_a_version_that_was_rolled_back_from_is_deployed_if_just_that_is_asked_for(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    roll_back(machine)
    assert machine.deploy("--image", IMAGE, "--force") == 0
    assert (
        f"{FUNCTION}:live was rolled back from version 2; going on, as FORCE=1 says\n"
        in capsys.readouterr().out
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


def test_a_dry_run_prints_what_would_be_run_and_changes_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.account("ecr").create_repository(repositoryName="ride-predictions")

    assert machine.deploy("--dry-run") == 0

    assert machine.commands.ran == []
    assert machine.account.functions.writes == []
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()[:3]) for line in lines] == [
        f"would run: {lines[0].split()[2]}",
        "would run: docker",
        "would run: docker",
        "would run: terraform",
        "Terraform would have:",
        "would run: terraform",
        f"would move {FUNCTION}:live",
    ]
    assert lines[1].endswith(" < (a password)")
    assert lines[-1].endswith("to a new version: 10 %, 50 %, 100 %, each watched 300 s")


def test_a_dry_run_of_the_first_deployment_needs_nothing_on_aws(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.outputs["terraform output"] = output_json({})
    assert machine.deploy("--dry-run") == 0
    assert machine.commands.ran == []
    shown = capsys.readouterr().out
    assert "would build, log in and push: " in shown
    assert "Terraform's plan needs an image: none is deployed, and IMAGE= is not given\n" in shown
    assert "Terraform would have" not in shown


@pytest.mark.parametrize("deployed", [True, False])
def test_a_dry_run_shows_what_would_be_lost_and_leaves_no_plan(
    machine: Machine, capsys: pytest.CaptureFixture[str], *, deployed: bool
) -> None:
    if not deployed:
        machine.commands.outputs["terraform output"] = output_json({})
    machine.commands.outputs["terraform show"] = lossy("delete", "create")

    assert machine.deploy("--image", IMAGE, "--dry-run") == 0

    _, plan, counts, losses, *_ = capsys.readouterr().out.splitlines()
    assert counts == "Terraform would have: 1 to create, 1 to replace"
    assert losses == (
        "this would delete data, or a consumer's place on the stream, with "
        "module.event_stream.aws_kinesis_stream.stream; make deploy refuses it without LOSE_DATA=1"
    )
    assert machine.commands.ran == []
    assert not plan_of(plan).exists()


def test_a_dry_run_whose_plan_fails_fails(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = CommandFailed("terraform plan failed: Error: Invalid value for variable")
    machine.commands.outputs["terraform plan"] = refused
    assert machine.deploy("--image", IMAGE, "--dry-run") == 1
    assert capsys.readouterr().err == f"error: {refused}\n"


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


def test_an_account_that_is_no_account_is_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        machine.deploy(account="my account")
    assert capsys.readouterr().err == (
        "error: --account is 'my account'; allowed: the 12 digits of an AWS account\n"
    )


def test_a_tool_that_is_missing_is_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.commands.outputs["terraform version"] = DeploymentError("terraform is needed")
    assert machine.deploy("--image", IMAGE) == 1
    assert capsys.readouterr().err == "error: terraform is needed\n"
