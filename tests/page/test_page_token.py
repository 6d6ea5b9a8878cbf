"""Who has to know the token, and how a browser comes to."""

from __future__ import annotations

import pytest

from page.guard import checked_token
from streaming import SettingsError
from tests.page.served_page import KNOWN, TOKEN, served


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
    assert checked_token("0.0.0.0", {"PAGE_TOKEN": TOKEN}) == TOKEN  # noqa: S104


def test_a_token_is_long_and_can_be_typed() -> None:
    with pytest.raises(SettingsError, match="allowed: at least 16 printable"):
        checked_token("127.0.0.1", {"PAGE_TOKEN": "short"})
    for untypable in ("\n", "\udcff"):
        with pytest.raises(SettingsError, match="'of 24 characters'; allowed: at least 16 p"):
            checked_token("127.0.0.1", {"PAGE_TOKEN": TOKEN + untypable})
