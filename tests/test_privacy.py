"""What the function logs at INFO: no data of records, no credentials and no token."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import SHARD, event, record, ride

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
SECRET = "Xq7payloadXq7"  # noqa: S105  a marker to search for
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "Xq7keyXq7",
    "AWS_SECRET_ACCESS_KEY": "Xq7secretXq7",
    "AWS_SESSION_TOKEN": "Xq7tokenXq7",
}
PROGRAM = """
import json, logging, sys
logging.basicConfig(level=logging.INFO)
import lambda_function
response = lambda_function.lambda_handler(json.loads(sys.stdin.read()))
print(json.dumps(response))
"""


class EchoingHandler(BaseHTTPRequestHandler):
    """Rejects every call as AWS rejects a wrong signature: with the request in the message."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._reject(json.dumps({"__type": self.code, "message": f"{self.text}{body}"}))

    def do_PUT(self) -> None:
        self._reject(f"<Error><Code>{self.code}</Code><Message>{self.text}</Message></Error>")

    code = "InvalidSignatureException"

    @property
    def text(self) -> str:
        return f"The signature does not match.\n\nThe request was\n'{self.path}\n{self.headers}'"

    def _reject(self, message: str) -> None:
        self.send_response(400)
        self.send_header("Content-Length", str(len(message.encode())))
        self.end_headers()
        self.wfile.write(message.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), EchoingHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def secret_batch() -> dict[str, Any]:
    """Build a batch of valid rides and every kind of poison, with a secret in each."""
    secret = SECRET.encode()
    not_base64 = record(b"", 90)
    not_base64["kinesis"]["data"] = f"{SECRET}!"
    malformed = record(b"", 91)
    malformed["kinesis"]["data"] = {"secret": SECRET}
    batch = event(
        ride(SECRET),
        ride(PULocationID=SECRET),
        ride(pickup_datetime=SECRET),
        secret,
        json.dumps({"event_type": SECRET, "ride": SECRET}).encode(),
        json.dumps({"ride_id": {SECRET: SECRET}, "ride": {SECRET: 1}}).encode(),
        gzip.compress(secret),
        gzip.compress(secret) + secret,
        gzip.compress(secret)[:-3],
        aggregate(field(1, secret) + entry(secret) + entry(secret, 7) + field(3, secret)),
        aggregate(secret),
        aggregate(secret)[:-1],
    )
    batch["Records"] += [not_base64, malformed]
    return batch


@pytest.fixture(scope="module")
def output(endpoint: str) -> list[dict[str, Any] | str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(secret_batch()),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "DEAD_LETTERS": "s3://dead",
            "LOG_LEVEL": "INFO",
            **CREDENTIALS,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    return [json.loads(line) if line.startswith("{") else line for line in lines]


def test_no_line_contains_data_a_credential_or_a_token(output: list[Any]) -> None:
    logs = json.dumps(output, ensure_ascii=False)

    assert len(output) > 10
    for marker in (SECRET, *CREDENTIALS.values(), "Xq7"):
        for offset in range(3):  # base64 differs by offset; only the middle is the same
            encoded = base64.b64encode(b" " * offset + marker.encode()).decode()[4:-4]
            assert marker not in logs
            assert not encoded or encoded not in logs
        assert marker.encode().hex() not in logs


def logged(output: list[Any], level: str) -> list[dict[str, Any]]:
    return [line for line in output if isinstance(line, dict) and line.get("level") == level]


@pytest.mark.rides
def test_poison_is_logged_with_its_event_id_and_the_reason(output: list[Any]) -> None:
    logged_poison = {
        (line["event_id"], line["error_type"], line["reason"])
        for line in logged(output, "WARNING")
        if line["message"] == "poison"
    }

    assert (f"{SHARD}:4", "InvalidEvent", "event is not a JSON object in UTF-8") in logged_poison
    assert (f"{SHARD}:8", "CorruptRecord", "damaged gzip") in logged_poison


@pytest.mark.rides
def test_the_reason_for_a_failure_is_logged_without_the_request(output: list[Any]) -> None:
    errors = [line["message"] for line in logged(output, "ERROR")]

    assert len(errors) == 2
    for message, call in zip(errors, ("PutRecords", "PutObject"), strict=True):
        assert f"(InvalidSignatureException) when calling the {call} operation" in message
        assert message.endswith(": The signature does not match.")
