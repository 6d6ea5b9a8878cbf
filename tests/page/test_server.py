"""The page over HTTP, on loopback."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from page.guard import COOKIE, checked_token, cookie_value
from page.live_rides import LiveRides
from page.ride_form import WAITING, RideForm
from page.server import CONNECTIONS, Page, PageError, serve
from streaming import SettingsError
from tests.fakes.kinesis import client_error
from tests.page.ride_stream import PREDICTIONS, RIDES, predicted

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "sixteen-letters-or-more"  # noqa: S105
KNOWN = f"{COOKIE}={cookie_value(TOKEN)}"
RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
AS_JSON = {"Content_Type": "application/json"}


class Producer:
    """Puts rides, and has them predicted at once."""

    def __init__(self, live: LiveRides | None = None, *, fails: bool = False) -> None:
        self.put: list[dict[str, Any]] = []
        self._live = live
        self._fails = fails

    def put_record(self, **entry: Any) -> dict[str, str]:
        if self._fails:
            raise client_error("AccessDeniedException", "put_record")
        self.put.append(entry)
        if self._live is not None:
            self._live.prediction(PREDICTIONS, predicted(entry["PartitionKey"], 12.5, tip=3.25))
        return {"ShardId": "shardId-000000000000", "SequenceNumber": "1"}


class Browser:
    """Sends requests as a browser does."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://").rstrip("/")

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def put(self, ride: object, **headers: str) -> tuple[int, dict[str, Any]]:
        content = ride if isinstance(ride, bytes) else json.dumps(ride).encode()
        status, _, body = self.request("POST", "/rides", content, **{**AS_JSON, **headers})
        return status, json.loads(body)


@contextmanager
def served(**page: Any) -> Iterator[Browser]:
    with serve(Page(**{"cells": lambda: {"figures": None}, **page}), port=0) as address:
        yield Browser(address)


@pytest.fixture(scope="module")
def producer() -> Producer:
    return Producer()


@pytest.fixture(scope="module")
def browser(producer: Producer) -> Iterator[Browser]:
    live = LiveRides(PREDICTIONS)
    producer._live = live
    with served(form=RideForm(producer, RIDES, live)) as browser:
        yield browser


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/static/page.css", "text/css; charset=utf-8"),
        ("/static/page.js", "text/javascript; charset=utf-8"),
        ("/static/zones.json", "application/json"),
        ("/static/icon.svg", "image/svg+xml"),
        ("/state", "application/json"),
    ],
)
def test_everything_is_served_with_a_strict_policy(
    browser: Browser, path: str, content_type: str
) -> None:
    status, headers, body = browser.request("GET", path)

    assert status == 200
    assert body
    assert headers["content-type"] == content_type
    policy = headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert not any("unsafe" in part or "http" in part for part in policy)
    assert headers["x-content-type-options"] == "nosniff"


def test_no_file_names_another_host_or_has_code_in_html(browser: Browser) -> None:
    for path in ("/", "/static/token.html", "/static/page.css", "/static/page.js"):
        _, _, body = browser.request("GET", path)
        text = body.decode()
        assert "http:" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https:" not in text
        for inline in ("<style", " style=", "onclick", "<script>"):
            assert inline not in text


@pytest.mark.parametrize("path", ["/static/../server.py", "/static/%2e%2e/server.py", "/nothing"])
def test_nothing_else_is_served(browser: Browser, path: str) -> None:
    assert browser.request("GET", path)[0] == 404


def test_a_request_that_names_another_host_is_refused(browser: Browser) -> None:
    """A page elsewhere may have its own name resolve to this machine."""
    status, _, body = browser.request("GET", "/state", Host="evil.example")

    assert (status, body) == (
        400,
        b"the host is not allowed; allowed: 127.0.0.1 or localhost or ::1",
    )


def test_a_ride_is_put_and_its_prediction_returned(browser: Browser, producer: Producer) -> None:
    status, found = browser.put(RIDE)

    assert status == 200
    assert (found["duration"], found["tip"], found["version"]) == (12.5, 3.25, "v1")
    assert found["milliseconds"] >= 0
    put = producer.put[-1]
    event = json.loads(put["Data"])
    assert put["StreamName"] == RIDES
    assert event["ride"] == RIDE
    assert event["ride_id"] == put["PartitionKey"] == found["ride"]


@pytest.mark.parametrize(
    ("ride", "error"),
    [
        (
            {**RIDE, "PULocationID": 999},
            "PULocationID is 999; allowed: an integer from 1 to 265 (a TLC taxi zone)",
        ),
        (
            {"PULocationID": 1},
            "DOLocationID is missing; allowed: an integer from 1 to 265 (a TLC taxi zone)",
        ),
        (
            {**RIDE, "trip_distance": -1},
            "trip_distance is -1; allowed: a number from 0 to 1000 (miles)",
        ),
        (b"{", "event is b'{'; allowed: a JSON object in UTF-8"),
    ],
)
def test_a_bad_ride_is_refused_with_the_field_the_value_and_what_is_allowed(
    browser: Browser, producer: Producer, ride: object, error: str
) -> None:
    before = len(producer.put)

    assert browser.put(ride) == (422, {"error": error})
    assert len(producer.put) == before


def test_a_ride_of_another_page_is_refused(browser: Browser, producer: Producer) -> None:
    before = len(producer.put)

    assert browser.request("POST", "/rides", b"{}", Sec_Fetch_Site="cross-site")[0] == 403
    assert browser.put(RIDE, Content_Type="text/plain")[0] == 415
    assert len(producer.put) == before


def test_a_large_ride_is_refused(browser: Browser) -> None:
    assert browser.put(b" " * 5_000) == (
        413,
        {"error": "the ride is too large; allowed: 4096 bytes"},
    )


def test_a_page_that_only_shows_puts_nothing() -> None:
    with served() as browser:
        assert browser.put(RIDE)[0] == 403


def test_a_ride_without_a_prediction_is_answered_after_the_wait() -> None:
    with served(form=RideForm(Producer(), RIDES, LiveRides(PREDICTIONS), wait=0.0)) as browser:
        status, answer = browser.put(RIDE)

    assert status == 504
    assert answer == {"error": "no prediction in time: see the dead letters, and the function"}


def test_a_ride_that_kinesis_refuses_is_an_error_of_one_line() -> None:
    form = RideForm(Producer(fails=True), RIDES, LiveRides(PREDICTIONS))
    with served(form=form) as browser:
        status, answer = browser.put(RIDE)

    assert status == 502
    assert answer["error"].startswith("cannot put the ride: AccessDeniedException")


def test_a_ride_that_kinesis_does_not_answer_for_holds_nobody_up() -> None:
    answers = threading.Event()

    class Silent(Producer):
        def put_record(self, **entry: Any) -> dict[str, str]:
            answers.wait(30)
            return super().put_record(**entry)

    form = RideForm(Silent(), RIDES, LiveRides(PREDICTIONS), wait=0.0)
    before = set(threading.enumerate())
    with served(form=form) as browser:
        for _ in range(WAITING):
            assert browser.put(RIDE)[0] == 504
        assert browser.put(RIDE)[0] == 503
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)
    answers.set()


def test_an_answer_that_takes_too_long_ends() -> None:
    form = RideForm(Producer(), RIDES, LiveRides(PREDICTIONS))
    with served(form=form, seconds=0.2) as browser:
        status, headers, answer = browser.request(
            "POST", "/rides", json.dumps(RIDE).encode(), **AS_JSON
        )
        assert (status, answer) == (504, b"no answer within 0.2 s")
        assert "content-security-policy" in headers
        assert form._waiting == 0


def test_too_many_rides_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("page.ride_form.WAITING", 0)
    with served(form=RideForm(Producer(), RIDES, LiveRides(PREDICTIONS))) as browser:
        assert browser.put(RIDE)[0] == 503


def test_with_a_token_nothing_is_shown_without_it() -> None:
    with served(token=TOKEN) as browser:
        status, _, form = browser.request("GET", "/")
        assert status == 401
        assert b'name="token"' in form
        for path in ("/state", "/events"):
            assert browser.request("GET", path)[0] == 401
            assert browser.request("GET", path, Cookie="page_token=x")[0] == 401
            assert browser.request("GET", path, Cookie="page_token=ü; \x01=")[0] == 401
        assert browser.request("POST", "/rides", b"{}", Content_Type="application/json")[0] == 401


@pytest.mark.parametrize("other", ['x={"a": 1}', "a b=c", 'x="open', "expires=now", ""])
def test_the_token_is_known_whatever_cookies_other_servers_of_the_host_have_set(other: str) -> None:
    with served(token=TOKEN) as browser:
        for cookies in (f"{other}; {KNOWN}", f"{KNOWN}; {other}"):
            assert browser.request("GET", "/state", Cookie=cookies)[0] == 200


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


def test_the_token_opens_the_page() -> None:
    with served(token=TOKEN) as browser:
        assert browser.request("POST", "/token", b"token=wrong")[0] == 401
        assert browser.request("POST", "/token", b"token=%ff%fe")[0] == 401
        status, headers, _ = browser.request("POST", "/token", f"token={TOKEN}".encode())
        assert (status, headers["location"]) == (303, "/")
        cookie = headers["set-cookie"]
        assert TOKEN not in cookie
        assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        shown = cookie.partition(";")[0]
        assert browser.request("GET", "/state", Cookie=shown)[0] == 200
        assert browser.request("GET", "/", Cookie=shown)[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_no_token_is_needed(host: str) -> None:
    assert checked_token(host, {}) is None
    assert checked_token(host, {"PAGE_TOKEN": TOKEN}) == TOKEN


def test_elsewhere_a_token_is_needed() -> None:
    with pytest.raises(
        SettingsError,
        match=r"^PAGE_TOKEN is not set; allowed: at least 16 printable characters, with any host",
    ):
        checked_token("0.0.0.0", {})  # noqa: S104  it is refused
    with pytest.raises(SettingsError, match="allowed: at least 16 printable"):
        checked_token("127.0.0.1", {"PAGE_TOKEN": "short"})
    for untypable in ("\n", "\udcff"):
        with pytest.raises(SettingsError, match="'of 24 characters'; allowed: at least 16 p"):
            checked_token("127.0.0.1", {"PAGE_TOKEN": TOKEN + untypable})
    assert checked_token("0.0.0.0", {"PAGE_TOKEN": TOKEN}) == TOKEN  # noqa: S104


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(PageError, match=rf"cannot listen on 127\.0\.0\.1, port {port}: Address"),
            serve(Page(cells=dict), port=port),
        ):
            pass


def test_without_a_port_another_is_taken_if_the_usual_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("page.server.PORT", taken.getsockname()[1])
        with serve(Page(cells=dict)) as address:
            assert Browser(address).request("GET", "/")[0] == 200


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
