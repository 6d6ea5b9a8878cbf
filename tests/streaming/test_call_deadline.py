"""A request ends in time, whatever the endpoint does. The endpoints are sockets on loopback."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import math
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    ProxyConnectionError,
    ReadTimeoutError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from streaming.call_deadline import _Bounded, _BoundedSocket
from streaming.clients import aws_client, kinesis_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CALL_SECONDS = 0.3
LIMITS: dict[str, Any] = {
    "isolated": True,
    "call_seconds": CALL_SECONDS,
    "connect_timeout": 0.2,
    "read_timeout": 0.2,
    "retries": {"total_max_attempts": 1},
}
PATIENT = {**LIMITS, "call_seconds": 2.0, "connect_timeout": 1.5, "read_timeout": 1.5}
"""For what must get past handshakes first, however busy the machine is."""

ENTRY: Any = {"Data": b"x", "PartitionKey": "k"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue" + b" " * 1_000_000
SMALL = len('{"StreamName":"s","Records":[{"Data":"eA==","PartitionKey":"k"}]}')
"""Bytes of the body that puts the entry."""

GAP = CALL_SECONDS / 10
"""Seconds between two bytes: far less than the read timeout."""


class Endpoint:
    """Accepts connections, and sends some bytes one at a time until the client has gone away."""

    def __init__(self, response: bytes, context: ssl.SSLContext | None = None) -> None:
        self.response = response
        self.requests: list[bytes] = []
        self._context = context
        self._open: list[socket.socket] = []
        self._opening = threading.Lock()
        self._is_closed = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = self._listening.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with self._opening:
            self._is_closed = True
        for each in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in [self._listening, *self._open]:
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                self._keep(connection)
                self._trickle(connection)

    def _keep(self, opened: socket.socket) -> None:
        """Let `close` end what reads from a socket, also if its client stays connected."""
        with self._opening:
            if self._is_closed:
                raise ConnectionAbortedError
            self._open.append(opened)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._context is None:
            return connection
        secured = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        self._keep(secured)
        secured.do_handshake()
        return secured

    def _trickle(self, connection: socket.socket) -> None:
        with self._secured(connection) as opened:
            self.requests.append(opened.recv(65536))
            for byte in self.response:
                opened.sendall(bytes([byte]))
                # A client that goes away makes the connection readable: no sleep.
                if select.select([opened], [], [], GAP)[0] and not opened.recv(65536):
                    return


class Answering(Endpoint):
    """Sends its response at once, to every request."""

    def _trickle(self, connection: socket.socket) -> None:
        with self._secured(connection) as opened:
            while opened.recv(65536):
                opened.sendall(self.response)


class Proxy(Endpoint):
    """Connects a client to the address that it asks for, as an https:// proxy does."""

    def _trickle(self, connection: socket.socket) -> None:
        with self._secured(connection) as client:
            host, port = client.recv(65536).split()[1].decode().split(":")
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.create_connection((host, int(port))) as target:
                self._keep(target)
                while True:
                    for source in select.select([client, target], [], [])[0]:
                        if not (data := source.recv(65536)):
                            return
                        (target if source is client else client).sendall(data)


@pytest.fixture
def serve() -> Iterator[Callable[..., Endpoint]]:
    endpoints: list[Endpoint] = []

    def start(*arguments: Any) -> Endpoint:
        endpoints.append(Endpoint(*arguments))
        return endpoints[-1]

    yield start
    for endpoint in endpoints:
        endpoint.close()


@pytest.mark.parametrize("response", [b" " * 1000, HEAD + b" " * 1000], ids=["head", "body"])
def test_a_response_that_trickles_in_ends_at_the_deadline(
    serve: Callable[..., Endpoint], response: bytes
) -> None:
    host, port = serve(response).address
    client = kinesis_client(f"http://{host}:{port}", **LIMITS)

    with pytest.raises(ReadTimeoutError):
        client.put_records(StreamName="s", Records=[ENTRY])


def test_a_response_to_s3_that_trickles_in_before_the_body_is_sent_ends_at_the_deadline(
    serve: Callable[..., Endpoint],
) -> None:
    host, port = serve(CONTINUE).address
    client = aws_client("s3", f"http://{host}:{port}", **LIMITS)

    with pytest.raises(ConnectionClosedError):
        client.put_object(Bucket="b", Key="k", Body=b"x" * 2_000_000)


def test_an_object_that_trickles_in_ends_at_the_deadline(serve: Callable[..., Endpoint]) -> None:
    endpoint = serve(HEAD + b" " * 1000)
    host, port = endpoint.address
    client = aws_client("s3", f"http://{host}:{port}", **LIMITS)

    with pytest.raises(ReadTimeoutError):
        client.get_object(Bucket="b", Key="k")["Body"].read()

    assert endpoint.requests[0].startswith(b"GET /b/k HTTP/1.1\r\n")


def test_a_response_over_tls_that_trickles_in_ends_at_the_deadline(
    serve: Callable[..., Endpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = serve(HEAD + b" " * 1000, certified(tmp_path, monkeypatch))
    host, port = endpoint.address
    client = kinesis_client(f"https://{host}:{port}", **PATIENT)

    with pytest.raises(ReadTimeoutError):
        client.put_records(StreamName="s", Records=[ENTRY])

    assert len(endpoint.requests) == 1


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")  # botocore: the endpoint is http://
@pytest.mark.parametrize("endpoint", ["https://kinesis.example", "http://kinesis.example"])
def test_an_https_proxy_that_trickles_its_response_in_ends_at_the_deadline(
    serve: Callable[..., Endpoint],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
) -> None:
    proxy = serve(b" " * 1000, certified(tmp_path, monkeypatch))

    with pytest.raises((ReadTimeoutError, ProxyConnectionError)):
        through(proxy, endpoint).put_records(StreamName="s", Records=[ENTRY])

    assert len(proxy.requests) == 1


def test_a_response_through_an_https_proxy_that_trickles_in_ends_at_the_deadline(
    serve: Callable[..., Endpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certified(tmp_path, monkeypatch)
    endpoint = serve(HEAD + b" " * 1000, context)
    host, port = endpoint.address
    proxy = Proxy(b"", context)
    try:
        with pytest.raises(ReadTimeoutError):
            through(proxy, f"https://{host}:{port}").put_records(StreamName="s", Records=[ENTRY])
    finally:
        proxy.close()

    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("limits", "longest"),
    [({"call_seconds": 5}, LIMITS["connect_timeout"]), ({"connect_timeout": 5}, CALL_SECONDS)],
    ids=["connect timeout", "deadline"],
)
def test_a_tls_handshake_that_gets_no_response_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], longest: float
) -> None:
    timeouts: list[float] = []
    do_handshake = ssl.SSLSocket.do_handshake

    def record(opened: ssl.SSLSocket) -> None:
        timeouts.append(opened.gettimeout() or math.inf)
        do_handshake(opened)

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", record)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        client = kinesis_client(f"https://{host}:{port}", **{**LIMITS, **limits})

        with pytest.raises((ReadTimeoutError, ConnectTimeoutError)):
            client.put_records(StreamName="s", Records=[ENTRY])

    assert 0 < max(timeouts) <= longest


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "through an https proxy"])
def test_a_connection_is_reused_and_each_request_has_its_own_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, proxied: bool
) -> None:
    context = certified(tmp_path, monkeypatch) if proxied else None
    answering = Answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", context)
    url = "{}://{}:{}".format("https" if proxied else "http", *answering.address)
    proxy = Proxy(b"", context)
    client: Any = through(proxy, url) if proxied else kinesis_client(url, **PATIENT)
    try:
        for _ in range(3):
            client.put_records(StreamName="s", Records=[ENTRY])
        session = client._endpoint.http_session
        (manager,) = session._proxy_managers.values() if proxied else [session._manager]
        (pool,) = manager.pools._container.values()
        assert (pool.num_connections, pool.num_requests) == (1, 3)
        opened = pool.pool.queue[-1].sock
        bounded = opened.socket if proxied else opened
        # A deadline that has passed, as after the environment was frozen, is the last request's.
        bounded.deadline = 0.0
        client.put_records(StreamName="s", Records=[ENTRY])
        assert (pool.num_connections, pool.num_requests) == (1, 4)
        assert bounded.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert bounded.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        client.close()
        proxy.close()
        answering.close()


@pytest.mark.parametrize(("timeout", "shortened"), [(None, 2), (5, 2), (2, 2), (1, 1)])
def test_nothing_waits_longer_than_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch, timeout: float | None, shortened: float
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 10.0)
    with _BoundedSocket() as bounded:
        bounded.settimeout(timeout)
        bounded.deadline = 12.0

        bounded.shorten_timeout()

        assert bounded.gettimeout() == shortened
        bounded.deadline = 10.0
        with pytest.raises(TimeoutError, match="deadline has passed"):
            bounded.recv(1)


@pytest.mark.parametrize(("limit", "sent"), [(SMALL, 1), (SMALL - 1, 2)], ids=["small", "large"])
def test_a_small_body_is_sent_together_with_the_head(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[..., Endpoint], limit: int, sent: int
) -> None:
    pieces: list[bytes] = []

    def sendall(opened: socket.socket, data: bytes) -> None:
        pieces.append(data)
        socket.socket.sendall(opened, data)

    monkeypatch.setattr(_Bounded, "sendall", sendall)
    monkeypatch.setattr("streaming.call_deadline.SMALL_BYTES", limit)
    host, port = serve(b"").address
    client = kinesis_client(f"http://{host}:{port}", **LIMITS)

    with pytest.raises((ReadTimeoutError, ConnectionClosedError)):
        client.put_records(StreamName="s", Records=[ENTRY])

    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert len(pieces) == sent
    assert len(body) == SMALL
    assert f"Content-Length: {SMALL}".encode() in head
    assert head.count(b"Content-Length") == 1
    assert b"Transfer-Encoding" not in head


def through(proxy: Endpoint, endpoint_url: str) -> Any:
    """Return a client that reaches an endpoint through an https:// proxy only."""
    host, port = proxy.address
    proxies = dict.fromkeys(("http", "https"), f"https://{host}:{port}")
    return kinesis_client(endpoint_url, **PATIENT, proxies=proxies)


def certified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return the context of a server on loopback that clients trust."""
    certificate = self_signed(folder)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def self_signed(folder: Path) -> Path:
    """Write a key and a self-signed certificate for 127.0.0.1 into one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "endpoint.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
