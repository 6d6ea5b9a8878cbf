"""The hooks of .pre-commit-config.yaml call tools that are there."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
REPOSITORIES = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
HOOKS = {hook["id"]: hook for repository in REPOSITORIES for hook in repository["hooks"]}
ENVIRONMENT = ".venv-test/bin/"


def test_no_hook_is_fetched() -> None:
    assert {repository["repo"] for repository in REPOSITORIES} == {"local"}
    assert {hook["language"] for hook in HOOKS.values()} == {"system"}
    assert f"\nTEST_ENV := {ENVIRONMENT.partition('/')[0]}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("hook", HOOKS)
def test_the_command_of_a_hook_exists(hook: str) -> None:
    command = HOOKS[hook]["entry"].split()[0]

    if command.startswith(ENVIRONMENT):
        # These tests may run in another environment with the same packages.
        assert (Path(sys.prefix) / "bin" / command.removeprefix(ENVIRONMENT)).is_file()
    else:
        assert shutil.which(command)
