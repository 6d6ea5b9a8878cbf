"""The Kinesis endpoint of a program: which one, its client, and its errors in one line."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.printable import printable
from local.embedded_kinesis import HOST, PORT
from streaming.clients import kinesis_client
from streaming.errors import SettingsError, StreamingError
from streaming.publisher import PutRecordsClient
from streaming.retries import error_code, is_transient

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

LINE_CHARACTERS = 200
EMBEDDED = f"http://{HOST}:{PORT}"
"""The endpoint of `make run`, unless the port is taken."""


class EndpointUnknown(StreamingError):
    """No Kinesis is named, and AWS cannot be used with the present configuration."""


def named_endpoint(option: str | None) -> str | None:
    """Return the endpoint that an option names, else KINESIS_ENDPOINT_URL; None means AWS."""
    return option or os.environ.get("KINESIS_ENDPOINT_URL") or None


def endpoint_client(endpoint_url: str | None, **config: Any) -> "KinesisClient":
    """Build a Kinesis client.

    Args:
        endpoint_url: The result of `named_endpoint`.
        config: As for `streaming.clients.aws_client`.

    Raises:
        EndpointUnknown: No endpoint is named, and no region or credentials for AWS are configured.
        SettingsError: The named endpoint is not valid.
    """
    try:
        return kinesis_client(endpoint_url, **config)
    except SettingsError as error:
        if endpoint_url is not None:
            raise
        raise EndpointUnknown(f"{error}; or give --endpoint-url {EMBEDDED}") from error


def one_line(error: BaseException, endpoint_url: str | None) -> str:
    """Return one line that says why an endpoint could not be used.

    Args:
        error: An error of botocore, or of this project with one of botocore as its cause.
        endpoint_url: The endpoint; None: AWS, or what the SDK's configuration names.
    """
    cause = error.__cause__ or error
    endpoint = endpoint_url or "the endpoint"
    # botocore's parser raises all kinds of errors on a response that is not Kinesis's.
    if not isinstance(cause, BotoCoreError | ClientError | StreamingError):
        return f"{endpoint} responds, but not as Kinesis does"
    code = error_code(cause)
    # Kinesis names its errors; botocore puts the HTTP status in place of a missing name.
    if code is not None and code.isdecimal():
        return f"{endpoint} responds with HTTP {code}, but not as Kinesis does"
    return first_line(str(error))


def first_line(text: str) -> str:
    """Return a text's first line, escaped and cut at 200 characters."""
    line = printable(text.strip().partition("\n")[0])
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}…"


class MonitoredClient:
    """A Kinesis client that warns when PutRecords starts to fail: a publisher retries silently.

    Args:
        client: A boto3 Kinesis client.
        endpoint_url: Its endpoint, the result of `named_endpoint`.
        warn: Called with the reason, in one line, at the first failure after a success.

    Attributes:
        failure: Why the last call failed, in one line; None if it succeeded.
    """

    def __init__(
        self, client: PutRecordsClient, endpoint_url: str | None, warn: Callable[[str], object]
    ) -> None:
        self.failure: str | None = None
        self._client = client
        self._endpoint_url = endpoint_url
        self._warn = warn

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Call PutRecords."""
        previous, self.failure = self.failure, None
        try:
            response = self._client.put_records(StreamName=StreamName, Records=Records)
            _ = response["FailedRecordCount"]  # an HTTP 200 need not come from Kinesis
        except Exception as error:
            self.failure = one_line(error, self._endpoint_url)
            if previous is None and is_transient(error):
                self._warn(self.failure)
            raise
        return response
