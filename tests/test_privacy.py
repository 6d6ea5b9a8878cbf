"""What the function logs at INFO and DEBUG: no data of records, no credentials and no token."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lambda_function import build_consumer
from streaming.consumer.records import kinesis_records
from streaming.errors import ModelBundleError, SettingsError, UnexpectedEvent
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
import json, logging, os, sys
logging.basicConfig(level=os.environ["LOG_LEVEL"])  # as Lambda sets the root logger's
import lambda_function
response = lambda_function.lambda_handler(json.loads(sys.stdin.read()))
print(json.dumps(response))
"""


class EchoingHandler(BaseHTTPRequestHandler):
    """Rejects every call as AWS rejects a wrong signature: with the request in the message."""

    status = 400

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
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(message.encode())))
        self.end_headers()
        self.wfile.write(message.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class ProxyHandler(EchoingHandler):
    """Rejects every call as a proxy may: with the request in one line of text, and in headers."""

    status = 403

    def do_POST(self) -> None:
        self._reject(self._request())

    def do_PUT(self) -> None:
        self._reject(self._request())

    def _request(self) -> str:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        return f"blocked: {self.path} {dict(self.headers)} {body}".replace("\n", " ")


class CodeHandler(ProxyHandler):
    """Rejects every call with the request as the error's code."""

    def _reject(self, message: str) -> None:
        if self.command == "PUT":
            super()._reject(f"<Error><Code>{html.escape(message)}</Code></Error>")
        else:
            super()._reject(json.dumps({"__type": message, "message": message}))


@pytest.fixture(
    scope="module",
    params=[
        (EchoingHandler, "INFO"),
        (EchoingHandler, "DEBUG"),
        (ProxyHandler, "INFO"),
        (CodeHandler, "INFO"),
    ],
    ids=["aws", "aws at DEBUG", "proxy", "code"],
)
def rejection(request: pytest.FixtureRequest) -> tuple[type[EchoingHandler], str]:
    handler, level = request.param
    return handler, level


@pytest.fixture(scope="module")
def endpoint(rejection: tuple[type[EchoingHandler], str]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), rejection[0])
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
def output(
    endpoint: str, rejection: tuple[type[EchoingHandler], str]
) -> list[dict[str, Any] | str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(secret_batch()),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "DEAD_LETTERS": "s3://dead",
            "LOG_LEVEL": rejection[1],
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
def test_a_failed_call_is_logged_with_its_operation_and_status_only(
    output: list[Any], rejection: tuple[type[EchoingHandler], str]
) -> None:
    errors = [line["message"] for line in logged(output, "ERROR")]

    assert len(errors) == 2
    for message, call in zip(errors, ("PutRecords", "PutObject"), strict=True):
        assert message.endswith(f"({call}, HTTP status {rejection[0].status})")
        if rejection[0] is EchoingHandler:
            assert ": InvalidSignatureException (" in message


def test_no_line_is_long(output: list[Any]) -> None:
    assert max(len(json.dumps(line)) for line in output if line not in output[-1:]) < 2_000


def test_an_invocation_of_another_kind_is_rejected_without_what_is_in_it() -> None:
    for odd in ({"body": SECRET}, [SECRET], SECRET, {"Records": [{"eventSource": SECRET}]}):
        with pytest.raises(UnexpectedEvent) as raised:
            kinesis_records(odd)
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "DEAD_LETTERS",
        "KINESIS_ENDPOINT_URL",
        pytest.param("MODEL_LOCATION", marks=pytest.mark.rides),
    ],
)
def test_a_setting_that_stops_the_start_shows_no_password(name: str) -> None:
    with pytest.raises((SettingsError, ModelBundleError)) as raised:
        build_consumer({"TEST_RUN": "True", name: f"ftp://me:{SECRET}@host/x"})
    assert SECRET not in str(raised.value)
