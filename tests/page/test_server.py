"""What the page's server serves, to whom and where."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from page.server import Page, PageError, serve
from tests.page.served_page import Browser, served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with served() as browser:
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
