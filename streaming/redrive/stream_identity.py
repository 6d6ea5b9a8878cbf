"""Which stream of which account, region and endpoint: a name alone does not say."""

from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from streaming.aws_errors import describe_error
from streaming.errors import StreamError


class DescribeClient(Protocol):
    """What `identify` needs of a boto3 Kinesis client."""

    @property
    def meta(self) -> Any:
        """The client's `endpoint_url` is in it."""

    def describe_stream_summary(self, *, StreamName: str) -> Any:  # noqa: N803  AWS's names
        """Return `StreamDescriptionSummary`."""


class StreamIdentity(msgspec.Struct, frozen=True):
    """A stream that exists.

    Attributes:
        arn: Its ARN, with account and region.
        endpoint_url: Where Kinesis is.
        created_at: ISO 8601; None if the endpoint does not say. A stream that was deleted and
            created again is another one.
    """

    arn: str
    endpoint_url: str
    created_at: str | None

    def is_compatible_with(self, other: "StreamIdentity") -> bool:
        """Return whether two streams may be in one delivery log."""
        if self.arn == other.arn:
            return self == other
        return _place(self) == _place(other)

    def __str__(self) -> str:
        """Return all of it."""
        created = f", created {self.created_at}" if self.created_at else ""
        return f"{self.arn} at {self.endpoint_url}{created}"


def _place(identity: StreamIdentity) -> tuple[str, str]:
    """Return a stream's account and region, as its ARN has them, and its endpoint."""
    return identity.arn.rpartition(":")[0], identity.endpoint_url


def identify(client: DescribeClient, stream_name: str) -> StreamIdentity:
    """Ask Kinesis which stream a name means.

    Raises:
        StreamError: It does not exist, or Kinesis does not answer.
    """
    try:
        response = client.describe_stream_summary(StreamName=stream_name)
        summary = response["StreamDescriptionSummary"]
        created_at = summary.get("StreamCreationTimestamp")
        if isinstance(created_at, datetime):
            created_at = created_at.astimezone(UTC).isoformat()
        return StreamIdentity(summary["StreamARN"], client.meta.endpoint_url, created_at)
    except MemoryError:
        raise
    except Exception as error:  # botocore's parser raises anything on a malformed response
        raise StreamError(f"cannot describe {stream_name}: {describe_error(error)}") from error
