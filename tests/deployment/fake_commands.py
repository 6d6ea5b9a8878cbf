"""Programs that are not started: their commands are kept, and their outputs are given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from deployment.errors import DeploymentError
from tests.deployment.emulated_account import ACCOUNT, BUCKET, REGION, output_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMIT = "4ec0c33d1e5b0d2f3a4b5c6d7e8f90a1b2c3d4e5"
SETTINGS = {
    "account_id": ACCOUNT,
    "region": REGION,
    "architecture": "arm64",
    "name": "ride-predictions",
    "reserved_concurrency": 0,
    "image": "TF_VAR_image",  # in its place, what the environment says
}
PLAN: dict[str, Any] = {
    "resource_changes": [
        {"address": "module.a.b.c", "type": "aws_sns_topic", "change": {"actions": ["create"]}}
    ]
}

Output = str | Exception


def console(**changed: object) -> str:
    """Return what `terraform console` prints for the settings."""
    return json.dumps(json.dumps({**SETTINGS, **changed}))


def state(*addresses: str) -> str:
    """Return what `terraform state list` prints."""
    return "\n".join(addresses)


class FakeCommands:
    """Commands whose outputs are looked up by their words, without options.

    Attributes:
        outputs: By the beginning of a command, such as `terraform output`.
        effects: What a command does besides, by its beginning.
        read_only: The commands that were read.
        ran: The commands that were run, as lines.
        changes: How many of them may change something.
        stdin: What they got.
        environments: The variables that commands were started with, in order.
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.outputs: dict[str, Output] = {
            "terraform version": json.dumps({"terraform_version": "1.11.4"}),
            "terraform init": "",
            "terraform console": console(),
            "terraform output": output_json(values or {}),
            "terraform state list": state(
                'module.consumer["duration_tip"].aws_lambda_function.function',
                "module.repository.aws_ecr_repository.images",
            ),
            "terraform plan": "",
            "terraform show": json.dumps(PLAN),
            "git rev-parse": f"{COMMIT}\n",
            "git status": "",
            "git --version": "git version 2.39.5\n",
            "docker version": "linux/arm64\n",
            "docker buildx version": "github.com/docker/buildx 0.13.1\n",
        }
        self.effects: dict[str, Callable[[], object]] = {}
        self.ran: list[str] = []
        self.changes = 0
        self.stdin: list[str] = []
        self.environments: list[Mapping[str, str]] = []

    def start(self, environment: Mapping[str, str]) -> FakeCommands:
        """Return the same commands, and keep the variables."""
        self.environments.append(environment)
        return self

    def read(self, *command: str, stdin: str | None = None) -> str:
        """Return the output of a command."""
        del stdin
        output: Output | None = self._of(command, self.outputs)
        if output is None:
            raise AssertionError(f"unexpected: {command}")
        if isinstance(output, Exception):
            raise output
        given = self.environments[-1] if self.environments else {}
        return output.replace("TF_VAR_image", given.get("TF_VAR_image", ""))

    def run(self, *command: str, stdin: str | None = None, changes: bool = True) -> None:
        """Keep a command."""
        self.changes += changes
        self.ran.append(" ".join(command))
        self.stdin.append(stdin or "")
        effect = self._of(command, self.effects)
        if effect is not None:
            effect()

    def fail(self, beginning: str, message: str) -> None:
        """Let a command that is run fail."""

        def fail() -> None:
            raise DeploymentError(message)

        self.effects[beginning] = fail

    def _of(self, command: tuple[str, ...], table: Mapping[str, Any]) -> Any:
        words = " ".join(word for word in command if not word.startswith("-chdir"))
        found = [beginning for beginning in table if words.startswith(beginning)]
        return table[max(found, key=len)] if found else None


def terraform_state(*resources: dict[str, Any]) -> str:
    """Return what `terraform show -json` prints of a state."""
    modules: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        module = resource["address"].rpartition("aws_")[0].rstrip(".")
        modules.setdefault(module, []).append(resource)
    own = modules.pop("", [])
    children = [{"address": name, "resources": found} for name, found in modules.items()]
    return json.dumps({"values": {"root_module": {"resources": own, "child_modules": children}}})


def resource(address: str, **values: Any) -> dict[str, Any]:
    """Return a resource of a state, by an address such as `module.a.aws_s3_bucket.b`."""
    kind = "aws_" + address.partition("aws_")[2].partition(".")[0]
    return {"address": address, "mode": "managed", "type": kind, "values": values}


KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
APPLIED = (
    resource("module.dead_letters.aws_s3_bucket.dead_letters", bucket=BUCKET),
    resource("module.dead_letters.aws_s3_bucket_versioning.dead_letters", bucket=BUCKET),
    resource(
        "module.dead_letters.aws_s3_bucket_server_side_encryption_configuration.dead_letters",
        bucket=BUCKET,
        rule=[{"apply_server_side_encryption_by_default": [{"kms_master_key_id": KEY}]}],
    ),
    resource("module.encryption.aws_kms_key.data", arn=KEY, key_id="1234"),
    resource("module.encryption.aws_kms_alias.data", target_key_id="1234"),
    resource(
        'module.consumer["duration_tip"].aws_lambda_function.function', image_uri="r@sha256:1"
    ),
    resource("module.event_stream.aws_kinesis_stream.stream", name="events"),
    resource("aws_sns_topic.own", arn="arn"),
)
