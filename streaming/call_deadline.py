"""A deadline for every request of a botocore client.

botocore's timeouts do not bound a request: the connect timeout applies to each address that the
host resolves to, and the read timeout to each receive, so that a response that trickles in never
times out. Here connecting shares one timeout among the addresses, and the socket allows each
receive and send no more than what remains of the request's time, also through a proxy. What is
left unbounded is the name server; the resolver has timeouts of its own (resolv.conf(5): `timeout`,
`attempts`).
"""

import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssltransport import SSLTransport

SMALL_BYTES = 64 * 1024
"""A body up to this size is sent together with the head: one system call, packet and TLS record
less. Copying a larger one would cost memory."""


def install_call_deadline(client: Any, seconds: float) -> None:
    """Bound every request of a botocore client.

    A request that takes longer fails with botocore's `ConnectTimeoutError`, `ReadTimeoutError` or
    `ConnectionClosedError`. A call is one request, unless S3 redirects it to another region.

    Args:
        client: The client; it is modified.
        seconds: From connecting to the last byte of the response.
    """
    # botocore has no public way to its connections. The session's dictionary is shared with its
    # pool managers, those for proxies included.
    pools = client._endpoint.http_session._pool_classes_by_scheme  # noqa: SLF001
    pools["http"] = partial(_HTTPPool, seconds)
    pools["https"] = partial(_HTTPSPool, seconds)


class _Pool:
    """A pool of connections that starts a new deadline for each request."""

    def __init__(self, call_seconds: float, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._call_seconds = call_seconds

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]  # the pool's
        connection.start_call(time.monotonic() + self._call_seconds)
        return connection


class _Bounded:
    """A socket that neither waits nor returns after its deadline.

    Attributes:
        deadline: In monotonic seconds.
    """

    deadline = math.inf

    def recv_into(self, *arguments: Any) -> int:
        self.shorten_timeout()
        return super().recv_into(*arguments)  # type: ignore[misc,no-any-return]  # the socket's

    def recv(self, *arguments: Any) -> bytes:
        self.shorten_timeout()
        return super().recv(*arguments)  # type: ignore[misc,no-any-return]  # the socket's

    def sendall(self, *arguments: Any) -> None:
        self.shorten_timeout()
        super().sendall(*arguments)  # type: ignore[misc]  # the socket's

    def shorten_timeout(self) -> None:
        """Limit the timeout to the time until the deadline.

        Raises:
            TimeoutError: The deadline has passed.
        """
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the call's deadline has passed")
        timeout = self.gettimeout()  # type: ignore[attr-defined]  # the socket's
        if timeout is None or timeout > remaining:
            self.settimeout(remaining)  # type: ignore[attr-defined]


class _BoundedSocket(_Bounded, socket.socket):
    pass


class _BoundedTLSSocket(_Bounded, ssl.SSLSocket):
    pass


class _Connection:
    """A connection with a deadline for the request that is under way."""

    _deadline = math.inf
    _body: bytes | None = None

    def request(
        self: Any, method: str, url: str, body: Any = None, headers: Any = None, **options: Any
    ) -> None:
        """Make a request; unlike urllib3, send a small body together with the head."""
        whole = isinstance(body, bytes) and len(body) <= SMALL_BYTES
        whole = whole and "Content-Length" in headers and "Expect" not in headers
        self._body = body if whole else None
        super().request(method, url, None if whole else body, headers, **options)  # type: ignore[misc]

    def endheaders(self: Any, message_body: Any = None, **options: Any) -> None:
        super().endheaders(self._body or message_body, **options)  # type: ignore[misc]

    def start_call(self: Any, deadline: float) -> None:
        """Set the deadline of the next request."""
        self._deadline = deadline
        if self.sock is not None:  # left open by the last request
            self._bounded().deadline = deadline

    def connect(self: Any) -> None:
        super().connect()  # type: ignore[misc]  # the connection's
        self._bounded().deadline = self._deadline  # of a new socket, if TLS was started

    def _bounded(self: Any) -> Any:
        """Return the socket; TLS through an https:// proxy is urllib3's, on the proxy's socket."""
        return self.sock.socket if isinstance(self.sock, SSLTransport) else self.sock

    def _new_conn(self: Any) -> socket.socket:
        """Connect as urllib3 does, with the same errors, but with one timeout for all addresses."""
        seconds = min(self.timeout or math.inf, self._deadline - time.monotonic())
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            return connect_to_any(addresses, seconds, self._open)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from error
        except OSError as error:
            raise NewConnectionError(
                self, f"Failed to establish a new connection: {error}"
            ) from error

    def _open(self: Any, address: Any, seconds: float) -> socket.socket:
        *family_type_protocol, _, target = address
        opened = _BoundedSocket(*family_type_protocol)
        try:
            for option in self.socket_options:
                opened.setsockopt(*option)
            opened.settimeout(seconds)
            opened.connect(target)
            # What follows before `connect` returns: a proxy's tunnel, the TLS handshake.
            opened.deadline = self._deadline
            opened.settimeout(self.timeout)
            opened.shorten_timeout()
        except OSError:
            opened.close()
            raise
        return opened


class _HTTPConnection(_Connection, AWSHTTPConnection):  # type: ignore[misc]  # botocore's stubs
    pass


class _HTTPSConnection(_Connection, AWSHTTPSConnection):  # type: ignore[misc]  # botocore's stubs
    def connect(self: Any) -> None:
        self.ssl_context.sslsocket_class = _BoundedTLSSocket
        super().connect()

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        """Connect as urllib3 does, which makes the context for the proxy itself."""
        opened: Any = super()._connect_tls_proxy(hostname, sock)
        opened.__class__ = _BoundedTLSSocket
        opened.deadline = self._deadline
        return opened  # type: ignore[no-any-return]  # urllib3's


class _HTTPPool(_Pool, AWSHTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_Pool, AWSHTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def connect_to_any(
    addresses: Iterable[Any],
    seconds: float,
    open_socket: Callable[[Any, float], socket.socket],
    clock: Callable[[], float] = time.monotonic,
) -> socket.socket:
    """Connect to the first address that accepts.

    Args:
        addresses: From `socket.getaddrinfo`.
        seconds: For all of them; each gets an equal share of what remains.
        open_socket: Connects to an address within a number of seconds.
        clock: Monotonic seconds.

    Raises:
        OSError: No address accepted; the last one's error.
    """
    deadline = clock() + seconds
    left = list(addresses)
    failure = OSError("the host has no address")
    while left:
        share = (deadline - clock()) / len(left)
        if share <= 0:
            raise TimeoutError("no time left to connect") from failure
        try:
            return open_socket(left.pop(0), share)
        except OSError as error:
            failure = error
    raise failure
