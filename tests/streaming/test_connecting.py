"""Connecting to a host: which of its addresses, for how long, and the errors if none accepts."""

from __future__ import annotations

import errno
import re
import socket
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ConnectTimeoutError, ProxyConnectionError

from streaming.call_deadline import connect_to_any
from streaming.clients import kinesis_client
from tests.fakes.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY: Any = {"Data": b"x", "PartitionKey": "k"}
LIMITS: dict[str, Any] = {"connect_timeout": 0.2, "retries": {"total_max_attempts": 1}}
URL = "http://kinesis.example"
FAILURES = [
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    TimeoutError("timed out"),
]


def resolver(asked: list[str]) -> Callable[..., list[Any]]:
    """Return a name server's answer: 8 addresses, for each type of socket if none is asked for."""

    def resolve(host: str, port: int, family: int = 0, type: int = 0) -> list[Any]:  # noqa: A002  socket's name
        asked.append(host)
        types = [type] if type else [socket.SOCK_STREAM, socket.SOCK_DGRAM]
        return [
            (family or socket.AF_INET, each, 0, "", (f"192.0.2.{number}", port))
            for number in range(8)
            for each in types
        ]

    return resolve


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [({"connect_timeout": 0.2, "call_seconds": 60}, 0.2), ({"call_seconds": 0.1}, 0.1)],
    ids=["connect timeout", "deadline"],
)
@pytest.mark.parametrize(
    ("proxies", "host"),
    [({}, "kinesis.example"), ({"http": "http://[2001:db8::1]:3128"}, "2001:db8::1")],
    ids=["direct", "proxy"],
)
def test_a_host_with_many_dead_addresses_fails_within_one_connect_timeout(
    monkeypatch: pytest.MonkeyPatch,
    proxies: dict[str, str],
    host: str,
    limits: dict[str, Any],
    seconds: float,
) -> None:
    timeouts: list[float] = []
    asked: list[str] = []

    class Dead(socket.socket):
        def connect(self, _address: object) -> None:
            timeouts.append(self.gettimeout() or 0)
            raise TimeoutError

    monkeypatch.setattr("streaming.call_deadline._BoundedSocket", Dead)
    monkeypatch.setattr(socket, "getaddrinfo", resolver(asked))
    client = kinesis_client(URL, isolated=True, **{**LIMITS, **limits}, proxies=proxies)

    with pytest.raises((ConnectTimeoutError, ProxyConnectionError)):
        client.put_records(StreamName="s", Records=[ENTRY])

    assert asked == [host]
    assert len(timeouts) == 8
    assert timeouts[0] == pytest.approx(seconds / 8, rel=0.2)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_host_that_cannot_be_reached_is_botocores_own_error(
    monkeypatch: pytest.MonkeyPatch, failure: OSError
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", resolver([]))
    if isinstance(failure, socket.gaierror):
        monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(socket.socket, "connect", fail)
    plain = botocore.session.get_session().create_client(
        "kinesis",
        "us-east-1",
        endpoint_url=URL,
        config=Config(proxies={}, signature_version=UNSIGNED, **LIMITS),
    )

    ours = failure_of(kinesis_client(URL, isolated=True, **LIMITS))

    assert ours == failure_of(plain)


def failure_of(client: Any) -> tuple[type[BotoCoreError], type[Exception], str]:
    """Return botocore's error, urllib3's, and its message without what differs in any two."""
    with pytest.raises(BotoCoreError) as raised:
        client.put_records(StreamName="s", Records=[ENTRY])
    error = raised.value.kwargs["error"]
    message = re.sub(r"\w*HTTPConnection| at 0x\w+| \(connect timeout=.*?\)", "", str(error))
    return raised.type, type(error), re.sub(r"<[\w.]+\.(\(| object)", r"<\1", message)


def test_each_address_gets_an_equal_share_of_the_remaining_time() -> None:
    clock = Clock()
    tried: list[tuple[str, float]] = []

    def dead(address: str, seconds: float) -> socket.socket:
        tried.append((address, seconds))
        if address != "refuses":
            clock.advance(seconds)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        connect_to_any(["dead", "refuses", "also dead"], 3.0, dead, clock.now)

    assert tried == [("dead", 1.0), ("refuses", 1.0), ("also dead", 2.0)]
    assert clock.now() == 3


def test_the_first_address_that_accepts_is_used() -> None:
    with socket.socket() as accepted:

        def open_socket(address: str, _seconds: float) -> socket.socket:
            if address == "dead":
                raise ConnectionRefusedError
            return accepted

        addresses = ["dead", "alive", "never tried"]
        assert connect_to_any(addresses, 1.0, open_socket) is accepted


def test_without_an_address_or_time_connecting_fails() -> None:
    with pytest.raises(OSError, match="no address"):
        connect_to_any([], 1.0, lambda *_: socket.socket())
    with pytest.raises(TimeoutError, match="no time left"):
        connect_to_any(["alive"], 0.0, lambda *_: socket.socket(), Clock().now)
