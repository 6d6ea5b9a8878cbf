"""Connections of the page in a real Chromium: lost, resumed, refused, limited."""

from __future__ import annotations

import re
import socket
import threading
from typing import TYPE_CHECKING, Any

from page.feed import Feed
from page.server import Page, serve
from tests.page.browser import WAIT, City, expect, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


def test_a_lost_server_shows_and_its_successor_is_followed(chromium: Any, city: City) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serve(city.page, port=port) as address:
        context = visiting(chromium, address)
        visit = context.__enter__()
        visit.open()
        city.ride(1, 130, 20.0)
        expect(visit.zone(130)).to_have_class("zone level-4", timeout=WAIT)
    try:
        visit.has("#status", "Stale, reconnecting")
        successor = City()
        with serve(successor.page, port=port):
            visit.has("#status", "Live")
            expect(visit.zone(130)).to_have_class("zone", timeout=WAIT)
            successor.ride(2, 74, 45.0)
            expect(visit.zone(74)).to_have_class("zone level-5", timeout=WAIT)
    finally:
        context.__exit__(None, None, None)


def test_a_lost_connection_is_resumed_with_what_is_newer(
    chromium: Any, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    cut = threading.Event()
    events = Feed.events

    async def cut_off(feed: Feed, last_event_id: str | None) -> AsyncIterator[bytes]:
        asked.append(last_event_id)
        async for message in events(feed, last_event_id):
            yield message
            if cut.is_set():
                cut.clear()
                return

    monkeypatch.setattr(Feed, "events", cut_off)
    with serve(city.page, port=0) as address, visiting(chromium, address) as visit:
        visit.open()
        city.ride(1, 130, 20.0)
        expect(visit.zone(130)).to_have_class("zone level-4", timeout=WAIT)
        cut.set()
        city.ride(2, 74, 45.0)
        expect(visit.zone(74)).to_have_class("zone level-5", timeout=WAIT)
        city.ride(3, 75, 45.0)
        expect(visit.zone(75)).to_have_class("zone level-5", timeout=WAIT)
        expect(visit.zone(130)).to_have_class("zone level-4")
    first, again = asked
    assert first is None
    assert re.fullmatch(r"[0-9a-f]{8}-[1-9][0-9]*", again or "")


def test_with_a_token_the_page_asks_for_it(chromium: Any, city: City) -> None:
    token = "sixteen-letters-or-more"  # noqa: S105
    guarded = Page(cells=city.page.cells, form=city.page.form, token=token)
    with serve(guarded, port=0) as address, visiting(chromium, address) as visit:
        visit.tab.goto(address)
        visit.tab.get_by_label("Token").fill(token)
        visit.tab.get_by_role("button", name="Enter").click()
        expect(visit.tab.locator("body.live")).to_be_visible(timeout=WAIT)
        visit.has("#about", "ride_events")


def test_a_browser_beyond_the_limit_waits_for_a_place(chromium: Any, city: City) -> None:
    narrow = Page(cells=city.page.cells, clients=1)
    with (
        serve(narrow, port=0) as address,
        visiting(chromium, address) as first,
        visiting(chromium, address) as second,
    ):
        first.open()
        second.tab.goto(address)
        second.has("#status", "Connecting")
        first.tab.goto("about:blank")
        second.has("#status", "Live")
