"""A function's alias: which version takes which share of the invocations.

Lambda chooses the version for each invocation at random by the weights, so that on a stream the
split is by batch. Every write names the revision that it replaces: of two deployments at once, the
second is refused (UpdateAlias, RevisionId).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment.errors import AliasMoved, DeploymentError
from streaming.aws_errors import describe_error
from streaming.retries import error_code

PREVIOUS = re.compile(r"previous version: (\d+)")
ROLLED_BACK = "rolled back from version "
LEFT = re.compile(rf"{ROLLED_BACK}(\d+)")


@dataclass(frozen=True, slots=True)
class AliasState:
    """What an alias is set to.

    Attributes:
        version: The version that takes what the weights leave.
        weights: The shares of other versions, 0 to 1; Lambda allows one other version.
        description: Any text; `previous_version` and `left_version` read it.
        revision: Changes with each write.
    """

    version: str
    weights: Mapping[str, float] = field(default_factory=dict)
    description: str = ""
    revision: str = field(default="", compare=False)

    @property
    def previous_version(self) -> str | None:
        """The version before this one, if the description records it."""
        found = PREVIOUS.search(self.description)
        return found[1] if found else None

    @property
    def left_version(self) -> str | None:
        """The version that `make rollback` left for this one, if the description records it."""
        found = LEFT.search(self.description)
        return found[1] if found else None

    def __str__(self) -> str:
        """Return the versions and their shares, in words."""
        parts = [f"{weight:.0%} on version {version}" for version, weight in self.weights.items()]
        return ", ".join([f"version {self.version}", *parts])


class LiveAlias:
    """The alias of one function.

    Args:
        client: A boto3 Lambda client.
        function_name: The function.
        name: The alias.
    """

    def __init__(self, client: Any, function_name: str, name: str = "live") -> None:
        self.function_name = function_name
        self.name = name
        self._client = client

    def __str__(self) -> str:
        """Return the function's and the alias's name, as AWS writes them."""
        return f"{self.function_name}:{self.name}"

    def read(self) -> AliasState:
        """Return what it is set to.

        Raises:
            DeploymentError: It does not exist, or AWS does not respond.
        """
        try:
            return _state(self._client.get_alias(FunctionName=self.function_name, Name=self.name))
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError(f"{self} cannot be read: {describe_error(error)}") from error

    def write(self, state: AliasState, *, replaces: AliasState) -> AliasState:
        """Set it, and return what it is set to.

        Args:
            state: What to set it to; its revision is ignored.
            replaces: What it is set to now.

        Raises:
            AliasMoved: It is set to something else.
            DeploymentError: AWS refuses, or does not respond.
        """
        try:
            response = self._client.update_alias(
                FunctionName=self.function_name,
                Name=self.name,
                FunctionVersion=state.version,
                Description=state.description,
                RoutingConfig={"AdditionalVersionWeights": dict(state.weights)},
                RevisionId=replaces.revision,
            )
        except (BotoCoreError, ClientError) as error:
            if error_code(error) != "PreconditionFailedException":
                raise DeploymentError(f"{self} cannot be set: {describe_error(error)}") from error
            # A first attempt may have succeeded although its response was lost. The revision that
            # was refused is the alias's no longer: a read that still has it is stale.
            if (now := self.read()) == state and now.revision != replaces.revision:
                return now
            raise AliasMoved(
                f"{self} was moved by something else, and is now at {now}: {now.description!r}"
            ) from error
        return _state(response)

    def require_version(self, version: str) -> None:
        """Check that a version exists.

        Raises:
            DeploymentError: It does not, or AWS does not respond.
        """
        try:
            self._client.get_function_configuration(
                FunctionName=self.function_name, Qualifier=version
            )
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError(
                f"{self.function_name} has no version {version}: {describe_error(error)}"
            ) from error


def _state(response: Mapping[str, Any]) -> AliasState:
    routing = response.get("RoutingConfig") or {}
    return AliasState(
        version=str(response["FunctionVersion"]),
        weights={
            str(version): float(weight)
            for version, weight in (routing.get("AdditionalVersionWeights") or {}).items()
        },
        description=response.get("Description") or "",
        revision=str(response["RevisionId"]),
    )
