"""What is deployed, as the outputs of Terraform say it."""

import re
from typing import Any

import msgspec

from deployment.errors import DeploymentError
from deployment.target import Target

REPOSITORY_PLACE = re.compile(r"(\d{12})\.dkr\.ecr\.([\w-]+)\.")
"""The account and the region in a repository's URL."""


class Stream(msgspec.Struct, frozen=True):
    """A Kinesis stream."""

    name: str


class DeployedConsumer(msgspec.Struct, frozen=True):
    """A function that reads a stream.

    Attributes:
        version: The version that Terraform published last.
        rollback_alarms: The names of the alarms that put a deployment back.
        openings_mapping_uuid: Of a decision service that also reads the event stream.
    """

    function_name: str
    alias: str
    alias_arn: str
    version: str
    mapping_uuid: str
    log_group: str
    rollback_alarms: list[str]
    openings_mapping_uuid: str | None = None


class Stack(msgspec.Struct, frozen=True):
    """A deployment; its architecture is `arm64` or `x86_64`.

    Attributes:
        decisions: The decision service; None: there is none.
        decision_stream: Its stream.
    """

    account_id: str
    region: str
    event_stream: Stream
    prediction_stream: Stream
    architecture: str
    consumers: dict[str, DeployedConsumer]
    decisions: DeployedConsumer | None = None
    decision_stream: Stream | None = None

    @property
    def functions(self) -> dict[str, DeployedConsumer]:
        """Every function by name; Terraform keeps the name `decisions` for the service."""
        others = {} if self.decisions is None else {"decisions": self.decisions}
        return {**self.consumers, **others}

    def mappings(self, function: DeployedConsumer) -> dict[str, Stream]:
        """Return the stream that each event source mapping of a function reads, by UUID."""
        if function is not self.decisions:
            return {function.mapping_uuid: self.event_stream}
        openings = function.openings_mapping_uuid
        others = {} if openings is None else {openings: self.event_stream}
        return {function.mapping_uuid: self.prediction_stream, **others}


def stack_of(outputs: dict[str, Any]) -> Stack | None:
    """Return the deployment; None if nothing, or only the repository, has been applied.

    Raises:
        DeploymentError: An output is missing, or of another type.
    """
    if not outputs.get("consumers"):
        return None
    try:
        return msgspec.convert(outputs, Stack, strict=False)
    except msgspec.ValidationError as error:
        raise DeploymentError(
            f"the outputs of Terraform do not fit: {error}; apply infrastructure/ of this commit"
        ) from error


def check_place(outputs: dict[str, Any], target: Target) -> None:
    """Check that a state, if it has anything, is of the account and region that are meant.

    With another place's state Terraform would find none of its resources, and forget them. After
    the first step of a deployment it has the repository alone.

    Raises:
        DeploymentError: It is of another.
    """
    url = REPOSITORY_PLACE.match(str(outputs.get("repository_url")))
    account, region = url.groups() if url else (target.account, target.region)
    place = outputs.get("account_id", account), outputs.get("region", region)
    if place != (target.account, target.region):
        raise DeploymentError(
            f"the state is of account {place[0]} in {place[1]}; another account or region needs "
            "a state of its own (terraform workspace new NAME)"
        )
