"""The server in a process of its own: slow, greedy and vanishing clients, signals, promotions."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING

import pytest

from model import EXAMPLES
from tests.bundle_files import write_bundle
from tests.model_pointers import write_pointer
from tests.ride_graphs import graph
from tests.web.serving import ROOT, Server, serving, until_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RIDE = EXAMPLES[0]
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"


def post(body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return HEAD + b"Content-Length: %d\r\n\r\n" % size + body


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(REQUEST_SECONDS="1", MAX_CONNECTIONS="50") as started:
        yield started


def test_a_ride_is_predicted(server: Server) -> None:
    found = server.ask("POST", "/predict", RIDE, X_Request_Id="ride-256")

    assert found.status == 200
    assert found.headers["x-request-id"] == found.json["event_id"] == "ride-256"
    assert found.json["prediction"]["ride_id"] == 256
    assert server.ask("GET", "/readyz").json == {"live": True, "ready": True}


def test_many_clients_at_once_get_their_own_answers(server: Server) -> None:
    def ask(number: int) -> int:
        body = RIDE.replace(b"256", b"%d" % number)
        answer = server.ask("POST", "/predict", body)
        found: int = answer.json["prediction"]["ride_id"]
        return found

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(300))) == list(range(300))


def test_requests_that_are_sent_together_are_answered_in_order(server: Server) -> None:
    bodies = [RIDE.replace(b"256", b"%d" % number) for number in range(3)]
    with server.connect() as connection:
        connection.sendall(b"".join(map(post, bodies)))
        found = b""
        while found.count(b"arrived_at") < 3:
            found += connection.recv(65_536)

    assert [found.index(b'"ride_id":%d' % number) for number in range(3)] == sorted(
        found.index(b'"ride_id":%d' % number) for number in range(3)
    )


@pytest.mark.parametrize("sent", [b"", b"POST /pred", HEAD, HEAD + b"X-Slow: "])
def test_a_header_that_does_not_end_ends_the_connection(server: Server, sent: bytes) -> None:
    assert server.exchange(sent) == b""


def test_a_body_that_does_not_end_is_refused(server: Server) -> None:
    found = server.exchange(post(b"{", length=100))

    assert found.startswith(b"HTTP/1.1 408 ")
    assert b'"the body did not come within 1 s"' in found


def test_a_second_request_on_a_connection_may_not_be_slow_either(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post(RIDE))
        while b"arrived_at" not in connection.recv(65_536):
            pass
        connection.sendall(HEAD)
        assert until_end(connection) == b""


@pytest.mark.parametrize("started", [b"", b"x"])
def test_a_body_that_nobody_reads_may_not_be_slow_either(server: Server, started: bytes) -> None:
    found = server.exchange(b"GET /livez HTTP/1.1\r\nContent-Length: 9\r\n\r\n" + started)

    assert found.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_does_not_read_its_answers_is_cut_off(server: Server) -> None:
    def open_files() -> float:
        (line,) = re.findall(rb"\nprocess_open_fds (.+)", server.ask("GET", "/metrics").body)
        return float(line)

    before = open_files()
    body = b"[" + b",".join([RIDE] * 1_000) + b"]"
    with server.connect() as connection:
        connection.settimeout(0.2)
        with suppress(TimeoutError, ConnectionError):
            while True:  # until its buffers and those of the server are full
                connection.sendall(post(body))
        assert open_files() > before
        while open_files() > before:
            pass


def test_a_header_without_end_is_refused_before_it_fills_the_memory(server: Server) -> None:
    found = server.exchange(HEAD + b"X-Long: " + b"x" * 10_000_000)

    assert found == b"" or found.startswith(b"HTTP/1.1 400 ")
    assert server.ask("GET", "/livez").status == 200


@pytest.mark.parametrize("framing", [b"Content-Length: 200000000", b"Transfer-Encoding: chunked"])
def test_a_huge_body_is_refused_and_not_kept(server: Server, framing: bytes) -> None:
    server.ask("POST", "/predict", b"[" + b",".join([RIDE] * 1_000) + b"]")
    before = server.resident_mb()
    for _ in range(5):
        with server.connect() as connection:
            connection.sendall(HEAD + framing + b"\r\n\r\n")
            chunk = b"x" * 65_536
            try:
                for _ in range(600):  # 39 MB, unless the server ends it
                    connection.sendall(b"10000\r\n%b\r\n" % chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert server.ask("GET", "/livez").status == 200
    assert server.resident_mb() - before < 20


def test_what_is_not_http_is_refused(server: Server) -> None:
    assert server.exchange(b"\x16\x03\x01 nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_clients_that_vanish_cost_nothing_but_their_request(server: Server) -> None:
    for sent in (HEAD, post(b"{", length=100), post(RIDE)) * 20:
        connection = server.connect()
        connection.sendall(sent)
        # Closed with a reset, as by a client that is killed.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    assert server.ask("POST", "/predict", RIDE).status == 200


def test_more_connections_than_are_allowed_are_answered_with_503_and_leave_room_again() -> None:
    with serving(MAX_CONNECTIONS="5") as server:
        held = [server.connect() for _ in range(8)]
        refused = server.ask("POST", "/predict", RIDE).status
        for connection in held:
            connection.close()
        while server.ask("GET", "/livez").status == 503:
            pass

        assert refused == 503
        assert server.ask("POST", "/predict", RIDE).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_after_what_is_in_flight(number: int) -> None:
    with serving() as server, server.connect() as connection:
        connection.sendall(post(RIDE, length=len(RIDE))[:-5])
        while b"web_request" not in server.ask("GET", "/metrics").body:
            pass  # the header was read before this was answered
        server.process.send_signal(number)
        while not _refuses_connections(server):
            pass
        connection.sendall(RIDE[-5:])
        found = until_end(connection)
        status, err = server.ended()

    assert found.startswith(b"HTTP/1.1 200 ")
    assert (status, err) == (0, "")
    assert json.loads(server.lines[-1])["message"] == "stopped"


def _refuses_connections(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the listener was closed meanwhile
    return False


def test_a_load_balancer_can_see_that_it_stops() -> None:
    with serving(DRAIN_SECONDS="600") as server:
        assert server.ask("GET", "/readyz").status == 200
        server.process.send_signal(signal.SIGTERM)
        while server.ask("GET", "/readyz").status == 200:
            pass

        assert server.ask("POST", "/predict", RIDE).status == 200
        server.process.send_signal(signal.SIGTERM)  # a second one does not wait for that
        assert server.ended() == (0, "")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"PORT": "no"}, "PORT is 'no'; allowed: an integer from 0 to 65535"),
        ({"MODEL_LOCATION": "/nowhere"}, "nowhere"),
        ({"LISTEN": "192.0.2.1"}, "cannot listen on 192.0.2.1, port 0: "),
        ({"LISTEN": "::g"}, "cannot listen on ::g, port 0: no such host"),
    ],
)
def test_what_stops_the_start_is_one_line(settings: dict[str, str], problem: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "web"],
        cwd=ROOT,
        env={"PORT": "0", **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert found.returncode == 1
    (line,) = found.stderr.splitlines()
    assert line.startswith("error: ")
    assert problem in line


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = subprocess.run(
            [sys.executable, "-m", "web"],
            cwd=ROOT,
            env={"PORT": port},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert found.returncode == 1
    assert (
        found.stderr == f"error: cannot listen on 127.0.0.1, port {port}: Address already in use\n"
    )


def test_a_promoted_model_is_followed_without_a_dropped_request(tmp_path: Path) -> None:
    def bundle(version: str, dollars_a_mile: float) -> Path:
        graphs = {"tip": graph(times=dollars_a_mile)}
        return write_bundle(tmp_path / "bundles" / version, graphs, version=version)

    old, new = bundle("old", 1.0), bundle("new", 2.0)
    champion = write_pointer(tmp_path / "champion.json", old)
    settings = {"MODELS": "tip", "MODEL_LOCATION": str(champion), "MODEL_REFRESH_SECONDS": "1"}
    with serving(**settings) as server, ThreadPoolExecutor(4) as pool:
        seen = Event()

        def ask_until_new(_client: int) -> list[tuple[int, str, float]]:
            found = []
            while not seen.is_set():
                answer = server.ask("POST", "/predict", RIDE)
                record = answer.json
                tip = record["prediction"]["ride_tip"]
                found.append((answer.status, record["version"], tip))
                if record["version"] == "new":
                    seen.set()
            return found

        clients = [pool.submit(ask_until_new, number) for number in range(4)]
        write_pointer(champion, new)
        answers = [answer for client in clients for answer in client.result(timeout=60)]
        metrics = server.ask("GET", "/metrics").body

    assert {status for status, *_ in answers} == {200}
    assert set(answers) == {(200, "old", 3.66), (200, "new", 7.32)}
    assert b'web_model{name="ride_tip_prediction_model",version="new"} 1.0' in metrics


def test_a_model_that_fails_on_what_this_one_predicted_is_not_taken_into_use(
    tmp_path: Path,
) -> None:
    good = write_bundle(tmp_path / "bundles" / "old", {"tip": graph(times=1.0)}, version="old")
    bad = write_bundle(
        tmp_path / "bundles" / "bad", {"tip": graph(times=float("nan"))}, version="bad"
    )
    champion = write_pointer(tmp_path / "champion.json", good)
    settings = {"MODELS": "tip", "MODEL_LOCATION": str(champion), "MODEL_REFRESH_SECONDS": "1"}
    with serving(**settings) as server:
        write_pointer(champion, bad)
        while b"web_model_refresh_failures_total 0.0" in server.ask("GET", "/metrics").body:
            pass

        assert server.ask("POST", "/predict", RIDE).json["version"] == "old"
