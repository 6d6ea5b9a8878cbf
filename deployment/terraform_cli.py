"""Terraform, as the programs call it: no question is asked, and its output is the user's."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

import msgspec

from deployment.commands import Commands, last_line
from deployment.errors import CommandFailed, DeploymentError, ToolMissing

T = TypeVar("T")

OLDEST = (1, 6)
REPOSITORY = "module.repository"
"""What is applied before there is an image."""

ANY_IMAGE = f"none@sha256:{'0' * 64}"
"""In place of an image that is not known: Terraform asks for one even to delete."""

NOT_INITIALISED = ("Required plugins are not installed", "initialization required")
"""In the errors of Terraform where `terraform init` has not been run: providers, and a backend."""

FUNCTION, ECR_REPOSITORY = "aws_lambda_function", "aws_ecr_repository"
HOLDS_DATA = frozenset(
    {
        ECR_REPOSITORY, "aws_dynamodb_table", "aws_kinesis_stream", "aws_kms_key", "aws_s3_bucket"
    }
)  # fmt: skip
"""Resources whose deletion deletes data: records, images, dead letters, a decision service's items,
or the key to them."""

MAPPING = "aws_lambda_event_source_mapping"
"""Replaced, it begins at its starting position: events are predicted again, or never."""

SETTINGS = """jsonencode({account_id = var.account_id, region = var.region, name = var.name,
architecture = var.architecture, image = var.image, reserved_concurrency = sum(concat([0],
[for each in concat(values(var.consumers), var.decisions[*]) : each.reserved_concurrency
if each.reserved_concurrency != null]))})
""".replace("\n", " ")


class Settings(msgspec.Struct, frozen=True):
    """What Terraform takes the settings to be, from terraform.tfvars and the environment.

    Attributes:
        name: The prefix of all names.
        reserved_concurrency: Of all functions together.
    """

    account_id: str
    region: str
    name: str
    architecture: str
    image: str | None
    reserved_concurrency: int

    def check(self, **given: str) -> None:
        """Check that terraform.tfvars, which takes precedence, says nothing else than `make` does.

        Raises:
            DeploymentError: It does.
        """
        for name, ours in given.items():
            if (theirs := getattr(self, name)) != ours:
                shown = "the checkout's" if ours == ANY_IMAGE else ours
                raise DeploymentError(
                    f"terraform.tfvars says {name} = {theirs}, and make says {shown}: remove it "
                    "from the file"
                )


class _Change(msgspec.Struct):
    actions: list[str]

    @property
    def kind(self) -> str:
        if "delete" in self.actions:
            return "replace" if "create" in self.actions else "delete"
        return {"create": "create", "update": "change"}.get("".join(self.actions), "none")


class _ResourceChange(msgspec.Struct):
    address: str
    type: str
    change: _Change


class Plan(msgspec.Struct):
    """A plan, as `terraform show -json` prints it."""

    resource_changes: list[_ResourceChange] = []

    def counts(self) -> str:
        """Return how many resources are created, changed, replaced and deleted."""
        kinds = [each.change.kind for each in self.resource_changes]
        counted = {kind: kinds.count(kind) for kind in ("create", "change", "replace", "delete")}
        found = [f"{count} to {kind}" for kind, count in counted.items() if count]
        return ", ".join(found) or "nothing to change"

    def losses(self) -> list[str]:
        """Return the addresses of what holds data or a place on a stream, and would lose it."""
        return [
            each.address
            for each in self.resource_changes
            if (each.type in HOLDS_DATA and each.change.kind in {"replace", "delete"})
            or (each.type == MAPPING and each.change.kind == "replace")
        ]


class Terraform:
    """Terraform on a root module's folder, with commands that know its variables (`TF_VAR_…`)."""

    def __init__(self, commands: Commands, folder: str = "infrastructure") -> None:
        self._commands = commands
        self._folder = folder

    def require(self) -> str:
        """Return its version.

        Raises:
            ToolMissing: It is not installed, or too old.
        """
        version = _decoded(self._read("version", "-json"), dict[str, Any])
        text = str(version.get("terraform_version"))
        if tuple(map(int, re.findall(r"\d+", text)[:2])) < OLDEST:
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
        try:
            printed = self._read("console", "-no-color", stdin=f"{SETTINGS}\n")
        except CommandFailed as error:
            reason = str(error).removeprefix("terraform console failed: Error: ")
            raise DeploymentError(
                f"{self._folder}/terraform.tfvars or a variable of make: {reason}"
            ) from error
        # Warnings are printed before it.
        return _decoded(_decoded(last_line(printed), str), Settings)

    def outputs(self, *, deleted: bool = False) -> dict[str, Any]:
        """Return the outputs of what is applied; empty if nothing is.

        Deleting with targets, as `make destroy` does, leaves the outputs as they were: those of
        functions and of a repository that are gone are left out, unless `deleted` says not to look.

        Raises:
            DeploymentError: The folder has not been initialised, among others.
        """
        try:
            found = _decoded(self._read("output", "-json", "-no-color"), dict[str, dict[str, Any]])
        except CommandFailed as error:
            if not any(sign in str(error) for sign in NOT_INITIALISED):
                raise
            raise DeploymentError(
                f"terraform is not initialised in {self._folder}/: `make deploy` does it, or "
                f"`terraform -chdir={self._folder} init`"
            ) from error
        needed = {} if deleted else {"consumers": FUNCTION, "repository_url": ECR_REPOSITORY}
        addresses = self._read("state", "list") if found and needed else ""
        return {
            name: output.get("value")
            for name, output in found.items()
            if needed.get(name, "") in addresses
        }

    def apply_repository(self) -> None:
        """Create the repository alone: the image must be in it before the function exists."""
        self._run("apply", "-input=false", "-auto-approve", f"-target={REPOSITORY}")

    @contextmanager
    def planned(self, folder: Path) -> Iterator[tuple[Plan, Path]]:
        """Make a plan in a folder, also in a dry run, and remove its file in the end.

        The file holds the settings, secrets among them, and is its owner's alone (0600).
        """
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(suffix=".tfplan", prefix="deployment-", dir=folder) as file:
            options = ("-input=false", f"-out={file.name}")
            self._run("plan", *options, changes=False)
            plan = _decoded(self._read("show", "-json", file.name), Plan)
            yield plan, Path(file.name)

    def apply(self, file: Path) -> None:
        """Apply a plan."""
        self._run("apply", "-input=false", str(file))

    def state(self) -> dict[str, Any]:
        """Return the state: every resource with its attributes, secrets among them."""
        return _decoded(self._read("show", "-json"), dict[str, Any])

    def destroy(self, targets: Sequence[str]) -> None:
        """Delete these addresses, and what depends on them."""
        only = [f"-target={target}" for target in targets]
        self._run("destroy", "-input=false", "-auto-approve", *only)

    def _read(self, *arguments: str, stdin: str | None = None) -> str:
        return self._commands.read("terraform", f"-chdir={self._folder}", *arguments, stdin=stdin)

    def _run(self, command: str, *options: str, changes: bool = True) -> None:
        color = () if sys.stdout.isatty() else ("-no-color",)
        chdir = f"-chdir={self._folder}"
        self._commands.run("terraform", chdir, command, *color, *options, changes=changes)


def _decoded(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise DeploymentError(f"terraform's output cannot be read: {error}") from error
