"""Which stream a name means now, and the time by Kinesis's clock.

A stream that is deleted and created again has the same name and ARN, and perhaps the same shard
ids. Its creation time distinguishes it (KCL tells streams apart by it, too).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError

from streaming.reader.shard_reader import KinesisReads, stream_error
from streaming.retries import error_code


class StreamReads(KinesisReads, Protocol):
    """What reading a whole stream needs of a boto3 Kinesis client."""

    def describe_stream_summary(self, *, StreamName: str) -> Mapping[str, Any]:  # noqa: N803  AWS's name
        """Return the `StreamDescriptionSummary`."""


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """A stream at one moment.

    Attributes:
        created: Its StreamCreationTimestamp, ISO 8601 in UTC; None if it may not be described.
        described_at: When, by Kinesis's clock, rounded down to a second. The local clock's if the
            response has no date.
    """

    created: str | None
    described_at: datetime


def describe_stream(
    client: StreamReads, stream_name: str, now: Callable[[], datetime]
) -> StreamDescription:
    """Describe a stream.

    Args:
        client: A boto3 Kinesis client.
        stream_name: The stream.
        now: The local time.

    Raises:
        StreamUnavailable: Throttled or unreachable.
        StreamError: There is no such stream.
    """
    try:
        response = client.describe_stream_summary(StreamName=stream_name)
        created = response["StreamDescriptionSummary"].get("StreamCreationTimestamp")
        text = created.astimezone(UTC).isoformat() if created else None
    except ClientError as error:
        if error_code(error) != "AccessDeniedException":
            raise stream_error(stream_name, error) from error
        response, text = error.response, None
    except Exception as error:  # botocore's parser may raise anything
        raise stream_error(stream_name, error) from error
    return StreamDescription(text, response_date(response) or now())


def response_date(response: Mapping[str, Any]) -> datetime | None:
    """Return a response's date, which is AWS's clock to the second; None if it has none."""
    header = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (TypeError, ValueError):  # absent, or not a date
        return None
