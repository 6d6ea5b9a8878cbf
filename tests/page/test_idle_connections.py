"""Connections that stay: browsers that watch, and clients that do not read or go on."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
from contextlib import ExitStack

import pytest

from page.server import CONNECTIONS
from tests.page.served_page import KNOWN, TOKEN, served


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"GET / HT",
        b"GET /static/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /sta",
        b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\ntoken=",
        b"POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n",
    ],
    ids=["nothing", "half a head", "a second half", "half a body", "no body"],
)
def test_strangers_do_not_keep_visitors_out_with_connections_that_do_nothing(part: bytes) -> None:
    """They know no token, hold as many connections as are allowed, and never go on."""
    with served(token=TOKEN, seconds=0.2) as browser, ExitStack() as stack:
        host, port = browser.host.split(":")
        strangers = [
            stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            for _ in range(CONNECTIONS)
        ]
        for stranger in strangers:
            stranger.sendall(part)
        for stranger in strangers:
            read_to_end(stranger)
        assert browser.request("GET", "/state", Cookie=KNOWN)[0] == 200


def read_to_end(connection: socket.socket) -> int:
    """Return how many bytes come until the other side ends a connection; TimeoutError: never."""
    count = 0
    try:
        while content := connection.recv(2**16):
            count += len(content)
    except ConnectionError:
        pass
    return count


def test_a_browser_that_watches_is_not_ended_and_one_that_takes_no_answer_is() -> None:
    looks = itertools.count()
    with served(cells=lambda: {"look": next(looks)}, tick=0.02, seconds=0.2) as browser:
        _, _, answer = browser.request("GET", "/static/zones.json")
        host, port = browser.host.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as slow:
            asked = b"GET /static/zones.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            slow.sendall(asked * 300)
            watching = http.client.HTTPConnection(browser.host, timeout=30)
            watching.request("GET", "/events")
            response = watching.getresponse()
            lines = [response.readline() for _ in range(150)]
            watching.close()

            assert 0 < read_to_end(slow) < 300 * len(answer)
    assert sum(line.startswith(b"id: ") for line in lines) > 40


def test_the_server_ends_while_a_browser_watches() -> None:
    before = set(threading.enumerate())
    with served() as browser:
        connection = http.client.HTTPConnection(browser.host, timeout=30)
        connection.request("GET", "/events")
        response = connection.getresponse()
        assert response.readline() == b"retry: 1000\n"

    assert b"id: " in response.read()
    connection.close()
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name == "page"}


def test_a_state_that_can_no_longer_be_told_ends_the_events() -> None:
    """So that the page says that it is stale."""
    looks = itertools.count()

    def cells() -> dict[str, int]:
        look = next(looks)
        if look > 5:
            raise ZeroDivisionError
        return {"look": look}

    with served(cells=cells, tick=0.001) as browser:
        connection = http.client.HTTPConnection(browser.host, timeout=30)
        connection.request("GET", "/events")
        response = connection.getresponse()
        lines = list(itertools.islice(iter(response.readline, b""), 60))
        connection.close()

    assert b'data: {"look":1}\n' in lines
    assert len(lines) < 60


def test_a_browser_that_does_not_read_is_sent_only_what_the_sockets_hold() -> None:
    """Behind a megabyte per change stand uvicorn's 64 KiB and the kernel's buffers."""
    ticks = 0
    enough = threading.Event()

    def cells() -> dict[str, str]:
        nonlocal ticks
        ticks += 1
        if ticks > 200:
            enough.set()
        return {"filler": f"{ticks} " + "x" * 2**20}

    with served(cells=cells, tick=0.001) as browser, socket.socket() as slow:
        host, port = browser.host.split(":")
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        slow.settimeout(30)
        slow.connect((host, int(port)))
        slow.sendall(f"GET /events HTTP/1.1\r\nHost: {browser.host}\r\n\r\n".encode())
        slow.recv(10)
        assert enough.wait(60)
        with slow.makefile("rb", buffering=2**20) as lines:
            numbers = (int(line.split(b'"')[3].split()[0]) for line in lines if b"data: {" in line)
            held = list(itertools.takewhile(lambda number: number <= 200, numbers))
    assert 1 <= len(held) < 40
