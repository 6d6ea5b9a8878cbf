import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.endpoint import (
    EndpointUnknown,
    MonitoredClient,
    endpoint_client,
    first_line,
    named_endpoint,
    one_line,
)
from streaming.errors import SettingsError
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis, client_error

URL = "http://127.0.0.1:4566"
PAGE = b"<html>\n<body>a web server</body>\n</html>"


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KINESIS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


def test_an_option_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_endpoint(None) is None
    monkeypatch.setenv("KINESIS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert named_endpoint(None) == "http://127.0.0.1:1"
    assert named_endpoint(URL) == URL


def test_the_error_without_any_configuration_names_the_local_endpoint() -> None:
    with pytest.raises(
        EndpointUnknown,
        match=r"AWS_REGION is not set; allowed: a region.*; or give --endpoint-url http://127\.",
    ):
        endpoint_client(None)


def test_the_error_for_an_invalid_endpoint_does_not() -> None:
    with pytest.raises(SettingsError, match=r"endpoint URL is 'localhost'(?!.*or give)"):
        endpoint_client("localhost")


class WebServer(BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(params=[200, 404, 501])
def web_server(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    handler = type("Handler", (WebServer,), {"status": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield request.param, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_web_server_on_the_port_is_reported_in_one_line_without_its_page(
    web_server: tuple[int, str],
) -> None:
    status, url = web_server
    client = MonitoredClient(
        endpoint_client(url, retries={"total_max_attempts": 1, "mode": "standard"}), url, print
    )
    with pytest.raises(Exception):  # noqa: B017, PT011  botocore's parser raises anything
        client.put_records(StreamName="ride_events", Records=[{"Data": b"", "PartitionKey": "1"}])
    responds = "responds" if status == 200 else f"responds with HTTP {status}"
    assert client.failure == f"{url} {responds}, but not as Kinesis does"


def test_an_error_of_kinesis_is_shown_by_its_first_line() -> None:
    error = client_error("ResourceNotFoundException", "put_records", "no\nsuch stream")
    assert one_line(error, URL).endswith("PutRecords operation: no")


def test_a_long_line_is_cut() -> None:
    assert first_line("x" * 300 + "\ny") == "x" * 200 + "…"


def test_a_failure_is_reported_once_until_a_call_succeeds() -> None:
    warnings: list[str] = []
    kinesis = FakeKinesis(Clock())
    kinesis.create_stream(StreamName="ride_events")
    throttle = "ThrottlingException"
    kinesis.fail("put_records", throttle, throttle, None, throttle)
    client = MonitoredClient(kinesis, URL, warnings.append)
    failures = []
    for _ in range(4):
        with contextlib.suppress(ClientError):
            client.put_records(
                StreamName="ride_events", Records=[{"Data": b"", "PartitionKey": "1"}]
            )
        failures.append(client.failure is not None)
    assert failures == [True, True, False, True]
    assert len(warnings) == 2


def test_an_error_that_is_not_retried_is_kept_but_not_reported() -> None:
    warnings: list[str] = []
    client = MonitoredClient(FakeKinesis(Clock()), URL, warnings.append)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.put_records(StreamName="nowhere", Records=[])
    assert warnings == []
    assert "ResourceNotFound" in str(client.failure)
