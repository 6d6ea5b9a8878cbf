"""The `aws` commands of docs/operate.md exist: their operations, options and metrics."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

ROOT = Path(__file__).parent.parent.parent
RUNBOOK = (ROOT / "docs" / "operate.md").read_text()
GLOBAL = {"cli-binary-format", "query", "output"}
NAMES = {"s3api": "s3"}

OUTFILE = {"get-object", "invoke"}
"""Operations whose command takes a file for the answer's body."""

LINES = "\n".join(re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL)).replace("\\\n", " ")
COMMANDS = re.findall(r"(?<![\w-])aws ([a-z0-9-]+ [a-z0-9-]+.*)", LINES) + re.findall(
    r"`aws ([^`]+)`", RUNBOOK
)


def words(command: str) -> list[str]:
    """Return a command's words, without what follows it on its line."""
    without = re.sub(r"\s#.*", "", command)
    without = re.sub(r"\$\{\d:\+(.*?)\}", r"\1", without)  # ${4:+--dimensions "$4"}
    found = shlex.split(without)
    return found[: found.index("|")] if "|" in found else found


def operation(service: str, name: str) -> Any:
    model = botocore.session.get_session().get_service_model(NAMES.get(service, service))
    names = {xform_name(each, "-"): each for each in model.operation_names}
    assert name in names, f"aws {service} has no {name}"
    return model.operation_model(names[name])


def check(command: str) -> None:
    service, name, *rest = words(command)
    members = {
        xform_name(each, "-"): shape
        for each, shape in operation(service, name).input_shape.members.items()
    }
    given = [word.removeprefix("--").removeprefix("no-") for word in rest if word.startswith("--")]
    unknown = set(given) - members.keys() - GLOBAL
    required = {
        xform_name(each, "-") for each in operation(service, name).input_shape.required_members
    }

    assert not unknown, f"aws {service} {name} has no {unknown}"
    assert required <= set(given), f"aws {service} {name} needs {required - set(given)}"
    for option, value in pairwise(rest):
        allowed = getattr(members.get(option.removeprefix("--")), "enum", None)
        assert not allowed or value in allowed, f"{option} {value}; allowed: {allowed}"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_one_of_aws(command: str) -> None:
    check(command)


def test_the_runbook_has_commands() -> None:
    assert len(COMMANDS) > 25


@pytest.mark.parametrize(
    "wrong",
    [
        "kinesis describe-streams --stream-name x",
        "kinesis describe-stream-summary --stream x",
        "lambda get-alias --function-name x",
        "cloudwatch describe-alarms --state-value RAISED",
    ],
)
def test_a_command_that_aws_does_not_have_is_found(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check(wrong)
