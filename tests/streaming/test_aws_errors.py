from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)

from streaming.aws_errors import describe_error
from tests.fakes.kinesis import client_error


@pytest.mark.parametrize(
    ("error", "description"),
    [
        (
            client_error("AccessDenied", "put_records", "secret"),
            "AccessDenied (PutRecords, HTTP status 400)",
        ),
        (
            client_error("a secret", "put_records", status=403),
            "an unreadable code (PutRecords, HTTP status 403)",
        ),
        (
            EndpointConnectionError(endpoint_url="https://me:secret@host/path?secret"),
            "EndpointConnectionError at https://***@host/path",
        ),
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:4566"),
            "EndpointConnectionError at http://127.0.0.1:4566",
        ),
        (HTTPClientError(error="secret"), "HTTPClientError"),
        (ParamValidationError(report="secret"), "ParamValidationError"),
        (NoCredentialsError(), "NoCredentialsError"),
        (KeyError("secret"), "KeyError"),
    ],
)
def test_an_error_is_described_without_its_message(error: Exception, description: str) -> None:
    assert describe_error(error) == description


def test_an_error_without_a_status_says_so() -> None:
    error = ClientError({"Error": {"Code": "Throttled"}}, "PutRecords")

    assert describe_error(error) == "Throttled (PutRecords, HTTP status None)"
