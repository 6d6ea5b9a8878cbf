"""Requests and responses of `put_records`, compared with those of a plain botocore client."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from streaming.clients import kinesis_client

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULT = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
RESPONSE = {"EncryptionType": "NONE", "FailedRecordCount": 0, "Records": [RESULT, RESULT]}
ENTRIES = [
    {"Data": b"\x00\xff one", "PartitionKey": "a"},
    {"Data": "zwei ü".encode(), "PartitionKey": "ü"},
]


class Endpoint:
    """Sends one response to every request, and keeps the requests."""

    def __init__(self, url: str, status: int, response: bytes) -> None:
        self.url = url
        self.status = status
        self.response = response
        self.requests: list[tuple[dict[str, str], Any]] = []


@contextmanager
def endpoint(response: Any = RESPONSE, status: int = 200) -> Iterator[Endpoint]:
    encoded = response if isinstance(response, bytes) else json.dumps(response).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            served.requests.append((dict(self.headers), json.loads(body)))
            self.send_response(served.status)
            self.send_header("Content-Length", str(len(served.response)))
            self.end_headers()
            self.wfile.write(served.response)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Endpoint(f"http://127.0.0.1:{server.server_port}", status, encoded)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def our_client(url: str) -> Any:
    """Create a client that does not retry."""
    return kinesis_client(url, retries={"total_max_attempts": 1, "mode": "standard"})


def plain_client(url: str) -> Any:
    """Create a client of plain botocore."""
    return botocore.session.get_session().create_client("kinesis", endpoint_url=url)


def test_the_request_is_the_same_as_botocores() -> None:
    with endpoint() as served:
        our_client(served.url).put_records(StreamName="s", Records=ENTRIES)
        plain_client(served.url).put_records(StreamName="s", Records=ENTRIES)

    (ours, our_body), (theirs, their_body) = served.requests
    assert our_body == their_body
    assert base64.b64decode(our_body["Records"][0]["Data"]) == ENTRIES[0]["Data"]
    assert ours.keys() == theirs.keys()
    for name in ("X-Amz-Target", "Content-Type"):
        assert ours[name] == theirs[name]


def test_the_response_is_the_same_as_botocores() -> None:
    with endpoint() as served:
        ours = our_client(served.url).put_records(StreamName="s", Records=ENTRIES)
        theirs = plain_client(served.url).put_records(StreamName="s", Records=ENTRIES)

    assert {**ours, "ResponseMetadata": None} == {**theirs, "ResponseMetadata": None}
    assert ours["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_error_is_the_same_as_botocores() -> None:
    error = {"__type": "ProvisionedThroughputExceededException", "message": "slow down"}
    with endpoint(error, status=400) as served:
        client = our_client(served.url)
        with pytest.raises(ClientError) as raised:
            client.put_records(StreamName="s", Records=ENTRIES)

    assert raised.value.response["Error"]["Code"] == "ProvisionedThroughputExceededException"


def test_data_that_is_text_is_encoded_by_botocore() -> None:
    with endpoint() as served:
        our_client(served.url).put_records(
            StreamName="s", Records=[{"Data": "text", "PartitionKey": "a"}]
        )

    ((_, body),) = served.requests
    assert base64.b64decode(body["Records"][0]["Data"]) == b"text"


@pytest.mark.parametrize("records", [[], ["text"], [{"PartitionKey": "a"}], None])
def test_invalid_entries_are_rejected_by_botocore(records: Any) -> None:
    with endpoint() as served, pytest.raises(ParamValidationError):
        our_client(served.url).put_records(StreamName="s", Records=records)


def test_a_response_that_is_not_json_is_left_to_botocore() -> None:
    with endpoint(b"<html>") as served:
        ours = our_client(served.url).put_records(StreamName="s", Records=ENTRIES)
        theirs = plain_client(served.url).put_records(StreamName="s", Records=ENTRIES)

    assert {**ours, "ResponseMetadata": None} == {**theirs, "ResponseMetadata": None}
