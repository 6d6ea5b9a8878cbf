"""What is deployed, as the outputs of Terraform say it."""

import re
from typing import Any

import msgspec

from deployment.errors import DeploymentError


class Stream(msgspec.Struct, frozen=True):
    """A Kinesis stream."""

    name: str
    arn: str


class DeployedConsumer(msgspec.Struct, frozen=True):
    """A function on the event stream.

    Attributes:
        function_name: The function.
        alias: The alias that the event source mapping invokes.
        alias_arn: The alias's ARN.
        version: The version that Terraform published last.
        mapping_uuid: The event source mapping.
        log_group: The function's log group.
        alarms: The names of all its alarms.
        rollback_alarms: Those that put a deployment back.
    """

    function_name: str
    alias: str
    alias_arn: str
    version: str
    mapping_uuid: str
    log_group: str
    alarms: list[str]
    rollback_alarms: list[str]


class Stack(msgspec.Struct, frozen=True):
    """A deployment.

    Attributes:
        account_id: 12 digits.
        region: Its region.
        event_stream: The stream that the functions read.
        prediction_stream: The stream that they write.
        repository_url: The ECR repository, without a tag.
        dead_letter_bucket: The bucket's name.
        alarm_topic_arn: The SNS topic of the alarms.
        dashboard_name: The CloudWatch dashboard.
        architecture: `arm64` or `x86_64`.
        consumers: The functions by their names in the settings.
    """

    account_id: str
    region: str
    event_stream: Stream
    prediction_stream: Stream
    repository_url: str
    dead_letter_bucket: str
    alarm_topic_arn: str
    dashboard_name: str
    architecture: str
    consumers: dict[str, DeployedConsumer]


REPOSITORY_PLACE = re.compile(r"(\d{12})\.dkr\.ecr\.([\w-]+)\.")
"""The account and the region in a repository's URL."""


class _Output(msgspec.Struct):
    value: Any


def output_values(text: str) -> dict[str, Any]:
    """Decode what `terraform output -json` prints.

    Raises:
        DeploymentError: It is something else.
    """
    try:
        outputs = msgspec.json.decode(text, type=dict[str, _Output])
    except msgspec.MsgspecError as error:
        raise DeploymentError(f"terraform output -json cannot be read: {error}") from error
    return {name: output.value for name, output in outputs.items()}


def stack_of(values: dict[str, Any]) -> Stack | None:
    """Return the deployment; None if nothing, or only the repository, has been applied.

    Args:
        values: The result of `output_values`.

    Raises:
        DeploymentError: An output is missing, or of another type.
    """
    if not values.get("consumers"):
        return None
    try:
        return msgspec.convert(values, Stack, strict=False)
    except msgspec.ValidationError as error:
        raise DeploymentError(
            f"the outputs of Terraform do not fit: {error}; apply infrastructure/ of this commit"
        ) from error


def check_place(values: dict[str, Any], account: str, region: str) -> None:
    """Check that a state, if it has anything, is of the account and region that are meant.

    With another place's state Terraform would find none of its resources, and forget them.

    Args:
        values: The result of `output_values`; after the first step of a deployment the
            repository's URL alone.
        account: 12 digits.
        region: The region.

    Raises:
        DeploymentError: It is of another.
    """
    url = REPOSITORY_PLACE.match(str(values.get("repository_url")))
    place = (values.get("account_id"), values.get("region"))
    if place == (None, None) and url:
        place = (url[1], url[2])
    if place not in {(None, None), (account, region)}:
        raise DeploymentError(
            f"the state is of account {place[0]} in {place[1]}; another account or region needs "
            "a state of its own (terraform workspace new NAME)"
        )
