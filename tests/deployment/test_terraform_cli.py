import json
from pathlib import Path

import pytest

from deployment.errors import CommandFailed, DeploymentError, ToolMissing
from deployment.terraform_cli import Terraform
from tests.deployment.emulated_account import output_json, outputs
from tests.deployment.fake_commands import FakeCommands, console, state


@pytest.fixture
def commands() -> FakeCommands:
    return FakeCommands(outputs())


@pytest.mark.parametrize(("version", "allowed"), [("1.5.7", False), ("1.6.0", True), ("2.0", True)])
def test_terraform_must_be_new_enough(
    commands: FakeCommands, version: str, *, allowed: bool
) -> None:
    commands.outputs["terraform version"] = json.dumps({"terraform_version": version})
    if allowed:
        assert Terraform(commands).require() == version
        return
    with pytest.raises(ToolMissing, match=r"^terraform is 1\.5\.7; allowed: 1\.6 or newer$"):
        Terraform(commands).require()


def test_the_settings_are_those_that_terraform_takes(commands: FakeCommands) -> None:
    commands.outputs["terraform console"] = console(architecture="x86_64")
    assert Terraform(commands).settings().architecture == "x86_64"


def test_a_setting_that_is_not_allowed_is_one_line_that_names_it(commands: FakeCommands) -> None:
    commands.outputs["terraform console"] = CommandFailed(
        "terraform console failed: Error: Invalid value for variable: event_stream.mode: allowed .."
    )
    line = "^infrastructure/terraform.tfvars or a variable of make: Invalid value for variable: eve"
    with pytest.raises(DeploymentError, match=line):
        Terraform(commands).settings()


def test_a_warning_before_the_settings_is_no_part_of_them(commands: FakeCommands) -> None:
    warning = "╷\n│ Warning: Value for undeclared variable\n│ \n│ event_strem\n╵\n\n"
    commands.outputs["terraform console"] = f"{warning}{console(architecture='x86_64')}\n"
    assert Terraform(commands).settings().architecture == "x86_64"


def test_output_that_is_not_terraforms_is_one_line(commands: FakeCommands) -> None:
    commands.outputs["terraform console"] = "> "
    with pytest.raises(DeploymentError, match=r"terraform.s output cannot be read: "):
        Terraform(commands).settings()


@pytest.mark.parametrize(
    "error", ["Required plugins are not installed: more", "Backend initialization required, more"]
)
def test_a_folder_that_is_not_initialised_is_said_to_be(commands: FakeCommands, error: str) -> None:
    commands.outputs["terraform output"] = CommandFailed(f"terraform output failed: Error: {error}")
    line = "^terraform is not initialised in infrastructure/: `make deploy` does it, or `terraform "
    with pytest.raises(DeploymentError, match=line):
        Terraform(commands).outputs()


def test_another_error_of_the_outputs_stays_as_it_is(commands: FakeCommands) -> None:
    commands.outputs["terraform output"] = CommandFailed("terraform output failed: no network")
    with pytest.raises(CommandFailed, match="no network"):
        Terraform(commands).outputs()


def test_a_plan_says_what_it_changes_and_what_data_it_deletes(
    commands: FakeCommands, tmp_path: Path
) -> None:
    changes = [
        ("aws_sns_topic", ["create"]),
        ("aws_lambda_function", ["update"]),
        ("aws_iam_role", ["delete", "create"]),
        ("aws_sns_topic", ["delete"]),
        ("aws_kinesis_stream", ["update"]),
        ("aws_kinesis_stream", ["create", "delete"]),
        ("aws_s3_bucket", ["delete"]),
        ("aws_s3_bucket", ["no-op"]),
        ("aws_partition", ["read"]),
        ("aws_lambda_event_source_mapping", ["delete", "create"]),  # begins somewhere else
        ("aws_lambda_event_source_mapping", ["delete"]),  # its consumer is removed
    ]
    commands.outputs["terraform show"] = json.dumps(
        {
            "resource_changes": [
                {"address": f"{kind}.{place}", "type": kind, "change": {"actions": actions}}
                for place, (kind, actions) in enumerate(changes)
            ]
        }
    )

    with Terraform(commands).planned(tmp_path) as (plan, _):
        pass

    assert plan.counts() == "1 to create, 2 to change, 3 to replace, 3 to delete"
    assert plan.losses() == [
        "aws_kinesis_stream.5",
        "aws_s3_bucket.6",
        "aws_lambda_event_source_mapping.9",
    ]


@pytest.mark.parametrize("text", ["", "No outputs", "[]", '{"region": "x"}'])
def test_what_is_no_output_of_terraform_is_one_line(commands: FakeCommands, text: str) -> None:
    commands.outputs["terraform output"] = text
    with pytest.raises(DeploymentError, match=r"terraform.s output cannot be read: "):
        Terraform(commands).outputs()


def test_the_outputs_of_what_is_deleted_do_not_count(commands: FakeCommands) -> None:
    terraform = Terraform(commands)
    assert terraform.outputs() == outputs()

    commands.outputs["terraform state list"] = state("module.dead_letters.aws_s3_bucket.b")

    assert outputs().keys() - terraform.outputs().keys() == {"consumers", "repository_url"}
    commands.outputs["terraform output"] = output_json({})
    commands.outputs["terraform state list"] = CommandFailed("No state file was found!")
    assert terraform.outputs() == {}


def test_no_command_asks_a_question(commands: FakeCommands, tmp_path: Path) -> None:
    terraform = Terraform(commands, "infrastructure")
    terraform.apply_repository()
    with terraform.planned(tmp_path) as (_, file):
        terraform.apply(file)
    terraform.destroy(["module.a"])

    start = "terraform -chdir=infrastructure"
    assert commands.ran == [
        f"{start} apply -no-color -input=false -auto-approve -target=module.repository",
        f"{start} plan -no-color -input=false -out={file}",
        f"{start} apply -no-color -input=false {file}",
        f"{start} destroy -no-color -input=false -auto-approve -target=module.a",
    ]
    assert commands.changes == 3
