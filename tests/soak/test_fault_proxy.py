import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from streaming.clients import kinesis_client
from tests.soak import fault_injection, fault_proxy
from tests.soak.fault_injection import Fault, FaultPlan, Injection


class Planned(FaultPlan):
    """The same fault for every call."""

    fault: Fault | None = None

    def draw(self, operation: str, number: int, elapsed: float) -> Injection:
        return Injection(type(self).fault, super().draw(operation, number, elapsed).random)


class Upstream(BaseHTTPRequestHandler):
    """A Kinesis with one response."""

    def do_POST(self) -> None:
        entries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Records"]
        results = [{"SequenceNumber": "7", "ShardId": "shard"} for _ in entries]
        body = json.dumps({"FailedRecordCount": 0, "Records": results}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server's name
        pass


@contextmanager
def served(server: HTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def endpoint() -> Iterator[str]:
    with served(HTTPServer(("127.0.0.1", 0), Upstream)) as upstream:
        listener = socket.create_server(("127.0.0.1", 0))
        with served(fault_proxy.ProxyServer(listener, upstream, upstream, Planned(1))) as url:
            yield url


def put(endpoint: str, fault: Fault | None, **config: Any) -> Any:
    Planned.fault = fault
    client = kinesis_client(endpoint, retries={"total_max_attempts": 1}, **config)
    return client.put_records(
        StreamName="rides", Records=[{"Data": b"ride", "PartitionKey": "key"}]
    )


def test_a_call_without_a_fault_is_forwarded(endpoint: str) -> None:
    assert put(endpoint, None)["Records"] == [{"SequenceNumber": "7", "ShardId": "shard"}]


def test_the_caller_sees_a_reset_connection(endpoint: str) -> None:
    with pytest.raises(ConnectionClosedError):
        put(endpoint, Fault.RESET_AFTER)


def test_a_call_without_a_response_times_out_at_the_caller(endpoint: str) -> None:
    with pytest.raises(ReadTimeoutError):
        put(endpoint, Fault.NO_RESPONSE, read_timeout=0.2)


def test_a_response_that_trickles_arrives_whole_if_its_caller_waits(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_injection, "TRICKLE_SECONDS", (0.1, 0.1))
    response = put(endpoint, Fault.TRICKLED, read_timeout=0.05)
    assert response["Records"] == [{"SequenceNumber": "7", "ShardId": "shard"}]


def test_a_response_that_trickles_for_longer_than_a_call_may_take_times_out(endpoint: str) -> None:
    with pytest.raises(ReadTimeoutError):
        put(endpoint, Fault.TRICKLED, call_seconds=0.2)


def test_a_caller_that_disconnects_while_sending_causes_no_error(
    endpoint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Planned.fault = Fault.REFUSED_ENTRIES
    address = urlsplit(endpoint)
    with socket.create_connection((address.hostname, address.port)) as caller:
        caller.sendall(
            b"POST / HTTP/1.1\r\nX-Amz-Target: a.PutRecords\r\nContent-Length: 9\r\n\r\n"
        )
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(1) == b""
    assert capfd.readouterr().err == ""


def test_a_throttled_call_raises_at_the_caller(endpoint: str) -> None:
    with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
        put(endpoint, Fault.THROTTLED)
