"""The Kinesis that a program talks to: which one it is, and in one line what is wrong with it."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from streaming.clients import kinesis_client
from streaming.errors import SettingsError, StreamingError
from streaming.publisher import PutRecordsClient
from streaming.retries import is_transient

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

LINE_CHARACTERS = 200
EMBEDDED = "http://127.0.0.1:4566"
"""Where `make run` has its Kinesis, unless the port is taken."""


class EndpointUnknown(StreamingError):
    """No Kinesis is named, and AWS cannot be used with the present configuration."""


def named_endpoint(option: str | None) -> str | None:
    """Return the endpoint that an option names, else KINESIS_ENDPOINT_URL; None means AWS."""
    return option or os.environ.get("KINESIS_ENDPOINT_URL") or None


def endpoint_client(endpoint_url: str | None, **config: Any) -> "KinesisClient":
    """Build a Kinesis client.

    Args:
        endpoint_url: What `named_endpoint` returned.
        config: As for `streaming.clients.aws_client`.

    Raises:
        EndpointUnknown: No endpoint is named, and AWS cannot be asked as things are configured.
        SettingsError: The named endpoint cannot be used.
    """
    try:
        return kinesis_client(endpoint_url, **config)
    except SettingsError as error:
        if endpoint_url is not None:
            raise
        raise EndpointUnknown(f"{error}; or give --endpoint-url {EMBEDDED}") from error


def one_line(error: BaseException, endpoint_url: str | None) -> str:
    """Say in one line why an endpoint could not be used.

    Args:
        error: botocore's, or one of this project's that was raised from it.
        endpoint_url: The endpoint; None: AWS, or what else the SDK chose.
    """
    cause = error.__cause__ or error
    endpoint = endpoint_url or "the endpoint"
    # botocore's parser raises anything on what is no answer.
    if not isinstance(cause, BotoCoreError | ClientError | StreamingError):
        return f"{endpoint} answers, but not as Kinesis does"
    code = cause.response.get("Error", {}).get("Code") if isinstance(cause, ClientError) else None
    # Kinesis names its errors; in place of a name that is missing botocore puts the status.
    if code is not None and code.isdecimal():
        return f"{endpoint} answers HTTP {code}, but not as Kinesis does"
    return first_line(str(error))


def first_line(text: str) -> str:
    """Cut a text to its first line, and that to 200 characters."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}…"


class Announced:
    """A client that says so when PutRecords begins to fail, which a publisher waits out in silence.

    Args:
        client: A boto3 Kinesis client.
        endpoint_url: Its endpoint, as `named_endpoint` returned it.
        say: Gets the reason, in one line, at the first failure after a success.

    Attributes:
        failure: Why the last call failed, in one line; None if it did not.
    """

    def __init__(
        self, client: PutRecordsClient, endpoint_url: str | None, say: Callable[[str], object]
    ) -> None:
        self.failure: str | None = None
        self._client = client
        self._endpoint_url = endpoint_url
        self._say = say

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Call PutRecords."""
        before, self.failure = self.failure, None
        try:
            answer = self._client.put_records(StreamName=StreamName, Records=Records)
            _ = answer["FailedRecordCount"]  # who answers 200 need not be Kinesis
        except Exception as error:
            self.failure = one_line(error, self._endpoint_url)
            if before is None and is_transient(error):
                self._say(self.failure)
            raise
        return answer
