"""What goes over the wire, and what comes back, for a client made by `kinesis_client`."""

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
ANSWER = {"EncryptionType": "NONE", "FailedRecordCount": 0, "Records": [RESULT, RESULT]}
ENTRIES = [
    {"Data": b"\x00\xff one", "PartitionKey": "a"},
    {"Data": "zwei ü".encode(), "PartitionKey": "ü"},
]


class Endpoint:
    """Answers every request alike, and keeps what it was asked."""

    def __init__(self, url: str, answer: tuple[int, bytes]) -> None:
        self.url = url
        self.answer = answer
        self.requests: list[tuple[dict[str, str], Any]] = []


@contextmanager
def endpoint(answer: Any = ANSWER, status: int = 200) -> Iterator[Endpoint]:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            served.requests.append((dict(self.headers), json.loads(asked)))
            self.send_response(served.answer[0])
            self.send_header("Content-Length", str(len(served.answer[1])))
            self.end_headers()
            self.wfile.write(served.answer[1])

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Endpoint(f"http://127.0.0.1:{server.server_port}", (status, body))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def our_client(url: str) -> Any:
    """Build a client that does not retry."""
    return kinesis_client(url, retries={"total_max_attempts": 1, "mode": "standard"})


def plain_client(url: str) -> Any:
    """Build a client as botocore makes it."""
    return botocore.session.get_session().create_client("kinesis", endpoint_url=url)


def test_the_request_is_the_one_that_botocore_would_write() -> None:
    with endpoint() as served:
        our_client(served.url).put_records(StreamName="s", Records=ENTRIES)
        plain_client(served.url).put_records(StreamName="s", Records=ENTRIES)

    (ours, our_body), (theirs, their_body) = served.requests
    assert our_body == their_body
    assert base64.b64decode(our_body["Records"][0]["Data"]) == ENTRIES[0]["Data"]
    assert ours.keys() == theirs.keys()
    for name in ("X-Amz-Target", "Content-Type"):
        assert ours[name] == theirs[name]


def test_the_answer_is_the_one_that_botocore_would_give() -> None:
    with endpoint() as served:
        ours = our_client(served.url).put_records(StreamName="s", Records=ENTRIES)
        theirs = plain_client(served.url).put_records(StreamName="s", Records=ENTRIES)

    assert {**ours, "ResponseMetadata": None} == {**theirs, "ResponseMetadata": None}
    assert ours["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_error_is_raised_as_botocore_raises_it() -> None:
    error = {"__type": "ProvisionedThroughputExceededException", "message": "slow down"}
    with endpoint(error, status=400) as served:
        client = our_client(served.url)
        with pytest.raises(ClientError) as raised:
            client.put_records(StreamName="s", Records=ENTRIES)

    assert raised.value.response["Error"]["Code"] == "ProvisionedThroughputExceededException"


def test_text_as_data_is_written_as_botocore_writes_it() -> None:
    with endpoint() as served:
        our_client(served.url).put_records(
            StreamName="s", Records=[{"Data": "text", "PartitionKey": "a"}]
        )

    ((_, body),) = served.requests
    assert base64.b64decode(body["Records"][0]["Data"]) == b"text"


@pytest.mark.parametrize("records", [[], ["text"], [{"PartitionKey": "a"}], None])
def test_what_are_no_entries_is_refused_as_botocore_refuses_it(records: Any) -> None:
    with endpoint() as served, pytest.raises(ParamValidationError):
        our_client(served.url).put_records(StreamName="s", Records=records)


def test_an_answer_that_is_no_json_is_left_to_botocore() -> None:
    with endpoint(b"<html>") as served:
        ours = our_client(served.url).put_records(StreamName="s", Records=ENTRIES)
        theirs = plain_client(served.url).put_records(StreamName="s", Records=ENTRIES)

    assert {**ours, "ResponseMetadata": None} == {**theirs, "ResponseMetadata": None}
