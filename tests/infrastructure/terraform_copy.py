"""Terraform on a copy of infrastructure/, with the provider from a filesystem mirror."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
INFRASTRUCTURE = ROOT / "infrastructure"

MIRROR = os.environ.get("TF_PLUGIN_MIRROR", "")
"""A folder that holds registry.terraform.io/hashicorp/aws; `.ci/infrastructure` looks for one."""

LIMIT_SECONDS = 180


def unavailable() -> str | None:
    """Return why Terraform cannot run here; None if it can."""
    if shutil.which("terraform") is None:
        return "terraform is not installed"
    if not MIRROR:
        return "TF_PLUGIN_MIRROR does not name a mirror of the AWS provider: see .ci/infrastructure"
    return None


class TerraformError(Exception):
    """Terraform failed; the message is what it printed."""


@dataclass
class Terraform:
    """A copy of infrastructure/ with a state of its own.

    Attributes:
        folder: The copy.
        variables: Values for its variables; the file that Terraform reads is written by each call.
        endpoint: An emulator of AWS.
        seconds: How long calls took, by their name, in all.
    """

    folder: Path
    variables: dict[str, Any]
    endpoint: str = "http://127.0.0.1:9"  # nothing listens there
    seconds: dict[str, float] = field(default_factory=dict)

    def init(self) -> None:
        """Copy what is tracked, and install the provider from the mirror."""
        ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "terraform.tfvars")
        shutil.copytree(INFRASTRUCTURE, self.folder, ignore=ignored)
        mirror = f'provider_installation {{\n  filesystem_mirror {{ path = "{MIRROR}" }}\n}}\n'
        self._configuration.write_text(mirror)
        self.run("init", "-backend=false", "-lockfile=readonly")

    def apply(self, name: str = "apply", **changed: Any) -> None:
        """Apply, with changed variables."""
        self.variables |= changed
        self.run("apply", "-auto-approve", name=name)

    def changes(self) -> list[str]:
        """Plan; return what an apply would do, an address and its actions each."""
        if "No changes." in self.run("plan", "-out=plan", name="plan"):
            return []  # showing a plan takes seconds
        planned = json.loads(self.run("show", "-json", "plan"))["resource_changes"]
        actions = {each["address"]: each["change"]["actions"] for each in planned}
        return [f"{name}: {', '.join(done)}" for name, done in actions.items() if done != ["no-op"]]

    def outputs(self) -> dict[str, Any]:
        """Return the outputs' values."""
        found = json.loads(self.run("output", "-json"))
        return {name: output["value"] for name, output in found.items()}

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the values of each resource in the state, by address."""
        state = json.loads(self.run("show", "-json"))
        return {
            each["address"]: {**each["values"], "type": each["type"]}
            for each in _resources(state.get("values", {}).get("root_module", {}))
            if each["mode"] == "managed"
        }

    def addresses(self) -> list[str]:
        """Return the addresses of the resources in the state."""
        listed = self.run("state", "list").splitlines()
        return [each for each in listed if not each.startswith("data.")]

    def run(self, command: str, *arguments: str, name: str | None = None) -> str:
        """Run a command; return what it prints.

        Raises:
            TerraformError: It failed.
        """
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(self.variables))
        began = time.monotonic()
        done = subprocess.run(
            ["terraform", command, *arguments, "-no-color"],  # noqa: S607
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )
        taken = self.seconds.get(name or command, 0.0) + time.monotonic() - began
        self.seconds[name or command] = taken
        if done.returncode:
            raise TerraformError(done.stdout + done.stderr)
        return done.stdout

    @property
    def _configuration(self) -> Path:
        return self.folder / "mirror.tfrc"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TF_CLI_CONFIG_FILE": str(self._configuration),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",  # Terraform would ask whether there is a newer one
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "2",  # what the emulator lacks it will not have later
        }


def _resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    below = [found for child in module.get("child_modules", []) for found in _resources(child)]
    return [*module.get("resources", []), *below]
