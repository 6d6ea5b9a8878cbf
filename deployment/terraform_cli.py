"""Terraform, as the programs call it: no question is asked, and its output is the user's."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deployment.commands import Commands
from deployment.errors import CommandFailed, DeploymentError, ToolMissing
from deployment.printed_errors import last_line
from deployment.stack import output_values

T = TypeVar("T")

OLDEST = (1, 6)
REPOSITORY = "module.repository"
"""What is applied before there is an image."""

NOT_INITIALISED = ("Required plugins are not installed", "initialization required")
"""In the errors of Terraform where `terraform init` has not been run: providers, and a backend."""

FUNCTION, ECR_REPOSITORY = "aws_lambda_function", "aws_ecr_repository"
HOLDS_DATA = frozenset({ECR_REPOSITORY, "aws_kinesis_stream", "aws_kms_key", "aws_s3_bucket"})
"""Resources whose deletion deletes data: records, images, dead letters, or the key to them."""

MAPPING = "aws_lambda_event_source_mapping"
"""Replaced, it begins at its starting position: events are predicted again, or never."""


class Settings(msgspec.Struct, frozen=True):
    """What Terraform takes the settings to be, from terraform.tfvars and the environment.

    Attributes:
        account_id: 12 digits.
        region: The region.
        architecture: `arm64` or `x86_64`.
        name: The prefix of all names.
        image: The image with its digest, or None.
    """

    account_id: str
    region: str
    architecture: str
    name: str
    image: str | None


class _Change(msgspec.Struct):
    actions: list[str]


class _ResourceChange(msgspec.Struct):
    address: str
    type: str
    change: _Change


class Plan(msgspec.Struct):
    """A plan, as `terraform show -json` prints it."""

    resource_changes: list[_ResourceChange] = []

    def counts(self) -> str:
        """Return how many resources are created, changed, replaced and deleted."""
        kinds = [_kind(change.change.actions) for change in self.resource_changes]
        counted = {kind: kinds.count(kind) for kind in ("create", "change", "replace", "delete")}
        found = [f"{count} to {kind}" for kind, count in counted.items() if count]
        return ", ".join(found) or "nothing to change"

    def losses(self) -> list[str]:
        """Return the addresses of what holds data or a place on a stream, and would lose it."""
        return [
            each.address
            for each in self.resource_changes
            if "delete" in each.change.actions
            and (
                each.type in HOLDS_DATA
                or (each.type == MAPPING and _kind(each.change.actions) == "replace")
            )
        ]


class Terraform:
    """Terraform on one root module.

    Args:
        commands: Runs it; its environment has the variables (`TF_VAR_…`).
        folder: The root module's folder, relative to where commands run.
    """

    def __init__(self, commands: Commands, folder: str = "infrastructure") -> None:
        self._commands = commands
        self._folder = folder

    def require(self) -> str:
        """Return its version.

        Raises:
            ToolMissing: It is not installed, or too old.
        """
        version = self._decoded(self._read("version", "-json"), dict[str, Any])
        text = str(version.get("terraform_version"))
        numbers = tuple(map(int, re.findall(r"\d+", text)[:2]))
        if numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise ToolMissing(f"terraform is {text}; allowed: {oldest} or newer")
        return text

    def init(self) -> None:
        """Install the providers and modules that the lock file names."""
        self._read("init", "-input=false", "-no-color")

    def settings(self) -> Settings:
        """Return the variables that the programs need, with Terraform's own precedence.

        Raises:
            DeploymentError: A variable, these or another, has a value that is not allowed.
        """
        fields = ", ".join(f"{name} = var.{name}" for name in Settings.__struct_fields__)
        try:
            printed = self._read("console", "-no-color", stdin=f"jsonencode({{{fields}}})\n")
        except CommandFailed as error:
            reason = str(error).removeprefix("terraform console failed: Error: ")
            raise DeploymentError(
                f"{self._folder}/terraform.tfvars or a variable of make: {reason}"
            ) from error
        value = last_line(printed)  # warnings are printed before it
        return self._decoded(self._decoded(value, str), Settings)

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of what has been applied; empty if nothing has.

        Raises:
            DeploymentError: The folder has not been initialised, among others.
        """
        try:
            return output_values(self._read("output", "-json", "-no-color"))
        except CommandFailed as error:
            if not any(sign in str(error) for sign in NOT_INITIALISED):
                raise
            raise DeploymentError(
                f"terraform is not initialised in {self._folder}/: `make deploy` does it, or "
                f"`terraform -chdir={self._folder} init`"
            ) from error

    def current_outputs(self) -> dict[str, Any]:
        """Return the outputs without those of resources that are deleted.

        Deleting with targets, as `make destroy` does, leaves the outputs as they were.
        """
        values = self.outputs()
        if not values:
            return {}
        addresses = self._read("state", "list")
        for name, resource in (("consumers", FUNCTION), ("repository_url", ECR_REPOSITORY)):
            if resource not in addresses:
                values.pop(name, None)
        return values

    def apply_repository(self) -> None:
        """Create the repository alone: the image must be in it before the function exists."""
        options = ("-input=false", "-auto-approve", f"-target={REPOSITORY}")
        self._run("apply", *options)

    def plan(self, file: Path) -> None:
        """Write a plan to a file."""
        self._run("plan", "-input=false", f"-out={file}")

    def preview(self, file: Path) -> Plan:
        """Write a plan to a file without showing it, and return it; in a dry run, too.

        Raises:
            CommandFailed: There is no plan.
        """
        self._read("plan", "-input=false", "-no-color", f"-out={file}")
        return self.read_plan(file)

    def read_plan(self, file: Path) -> Plan:
        """Read a plan from a file."""
        return self._decoded(self._read("show", "-json", str(file)), Plan)

    def apply(self, file: Path) -> None:
        """Apply a plan."""
        self._run("apply", "-input=false", str(file))

    def state(self) -> dict[str, Any]:
        """Return the state: every resource with its attributes, secrets among them."""
        return self._decoded(self._read("show", "-json"), dict[str, Any])

    def destroy(self, targets: Sequence[str] = ()) -> None:
        """Delete what is in the state.

        Args:
            targets: Only these addresses, and what depends on them; empty: everything.
        """
        only = [f"-target={target}" for target in targets]
        self._run("destroy", "-input=false", "-auto-approve", *only)

    def _read(self, *arguments: str, stdin: str | None = None) -> str:
        return self._commands.read("terraform", f"-chdir={self._folder}", *arguments, stdin=stdin)

    def _run(self, *arguments: str) -> None:
        command, *options = arguments
        color = () if sys.stdout.isatty() else ("-no-color",)
        self._commands.run("terraform", f"-chdir={self._folder}", command, *color, *options)

    def _decoded(self, text: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.MsgspecError as error:
            raise DeploymentError(f"terraform's output cannot be read: {error}") from error


def _kind(actions: Sequence[str]) -> str:
    if "delete" in actions:
        return "replace" if "create" in actions else "delete"
    return {"create": "create", "update": "change"}.get(actions[0], "none") if actions else "none"
