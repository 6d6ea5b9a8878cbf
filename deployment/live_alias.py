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

from deployment.errors import AliasMoved, DeploymentError, aws_errors
from streaming.aws_errors import describe_error
from streaming.retries import error_code

PREVIOUS, LEFT = "previous version: ", "rolled back from version "
"""In a description, each before a version."""


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
        return self._recorded(PREVIOUS)

    @property
    def left_version(self) -> str | None:
        """The version that `make rollback` left for this one, if the description records it."""
        return self._recorded(LEFT)

    def _recorded(self, words: str) -> str | None:
        found = re.search(rf"{words}(\d+)", self.description)
        return found[1] if found else None

    def __str__(self) -> str:
        """Return the versions and their shares, in words."""
        parts = [f"{weight:.0%} on version {version}" for version, weight in self.weights.items()]
        return ", ".join([f"version {self.version}", *parts])


class LiveAlias:
    """The alias of one function, of which a boto3 Lambda client knows."""

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
        with aws_errors(f"{self} cannot be read"):
            return _state(self._client.get_alias(FunctionName=self.function_name, Name=self.name))

    def write(self, state: AliasState, *, replaces: AliasState) -> AliasState:
        """Set it, and return what it is set to; the revision of `state` is ignored.

        Raises:
            AliasMoved: It is no longer set to what is replaced.
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

    def way_back(self, to: str | None = None) -> tuple[AliasState, AliasState]:
        """Return what it is set to, and what going back sets it to.

        That is the version `to`, else the older of two, else the one that the description records.
        The description then records which version was left, and no former version: going back twice
        must not return to the version that failed.

        Raises:
            DeploymentError: None is recorded, it does not exist, or AWS does not respond.
        """
        now = self.read()
        version = to or (now.version if now.weights else now.previous_version)
        if version is None:
            raise DeploymentError(
                f"{self} is at version {now.version}, and its description records no former "
                f"version ({now.description!r}); TO= names one"
            )
        left = [each for each in (*now.weights, now.version) if each != version]
        if not left:
            raise DeploymentError(f"{self} is at version {version} already")
        description = f"{LEFT}{left[0]}"
        if version == now.version and now.previous_version:
            description += f"; {PREVIOUS}{now.previous_version}"
        with aws_errors(f"{self.function_name} has no version {version}"):
            self._client.get_function_configuration(
                FunctionName=self.function_name, Qualifier=version
            )
        return now, AliasState(version, description=description)


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
