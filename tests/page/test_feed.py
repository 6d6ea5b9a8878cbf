"""Events for clients that keep up, and for clients that do not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from page.feed import Feed
from page.server import Page, build_app

Event = tuple[str, dict[str, Any]]


class State:
    """Cells that change at each look."""

    def __init__(self, filler: int = 0) -> None:
        self.looks = 0
        self._filler = "x" * filler

    def __call__(self) -> dict[str, Any]:
        self.looks += 1
        return {"number": self.looks, "filler": f"{self.looks}{self._filler}", "same": "always"}


def parsed(content: bytes) -> Event:
    lines = content.decode().strip().split("\n")
    assert lines[0].startswith("id: ")
    assert lines[1].startswith("data: ")
    return lines[0][4:], json.loads(lines[1][6:])


async def take(events: Any) -> Event:
    return parsed(await anext(events))


def test_a_client_gets_a_snapshot_and_then_what_changed() -> None:
    async def scenario() -> list[Event]:
        feed = Feed(State())
        events = feed.events(None)
        assert await anext(events) == b"retry: 1000\n\n"
        first = await take(events)
        feed.publish()
        return [first, await take(events)]

    (_, snapshot), (_, change) = asyncio.run(scenario())
    assert snapshot == {"number": 1, "filler": "1", "same": "always"}
    assert change == {"number": 2, "filler": "2"}


def test_a_client_that_comes_back_gets_only_what_is_newer() -> None:
    async def scenario() -> Event:
        feed = Feed(State())
        events = feed.events(None)
        await anext(events)
        last, _ = await take(events)
        await events.aclose()
        for _ in range(50):
            feed.publish()
        again = feed.events(last)
        await anext(again)
        return await take(again)

    _, change = asyncio.run(scenario())
    assert change.keys() == {"number", "filler"}
    assert change["number"] == 52


def test_a_client_of_an_earlier_server_gets_a_snapshot() -> None:
    async def scenario() -> Event:
        events = Feed(State()).events("elsewhere-7")
        await anext(events)
        return await take(events)

    assert asyncio.run(scenario())[1]["same"] == "always"


def test_a_slow_client_gets_the_newest_state_and_nothing_is_kept_for_it() -> None:
    async def scenario() -> tuple[Event, int]:
        feed = Feed(State(filler=1_000))
        slow = feed.events(None)
        await anext(slow)
        await take(slow)
        for _ in range(10_000):
            feed.publish()
        event = await take(slow)
        return event, len(feed._board._cells) + len(feed._board._messages)

    (_, change), kept = asyncio.run(scenario())
    assert change["number"] == 10_001
    assert kept <= 5


def test_without_changes_a_client_hears_that_the_server_lives() -> None:
    async def scenario() -> Event:
        feed = Feed(lambda: {"a": 1}, heartbeat=0.0)
        events = feed.events(None)
        await anext(events)
        await take(events)
        return await take(events)

    assert asyncio.run(scenario())[1] == {}


def test_nothing_is_computed_while_nobody_watches() -> None:
    async def scenario() -> tuple[int, int]:
        state = State()
        feed = Feed(state, sleep=lambda _: asyncio.sleep(0))
        running = asyncio.create_task(feed.run())
        for _ in range(20):
            await asyncio.sleep(0)
        unwatched = state.looks
        assert feed.join()
        while state.looks < 5:  # noqa: ASYNC110  each turn of the loop is a step of the feed
            await asyncio.sleep(0)
        feed.leave()
        await asyncio.sleep(0)
        stopped = state.looks
        for _ in range(20):
            await asyncio.sleep(0)
        running.cancel()
        return unwatched, state.looks - stopped

    unwatched, after = asyncio.run(scenario())
    assert unwatched == 0
    assert after <= 1


def test_closing_ends_the_events() -> None:
    async def scenario() -> list[bytes]:
        feed = Feed(lambda: {"a": 1})
        events = feed.events(None)
        await anext(events)
        await anext(events)
        waiting = asyncio.create_task(anext(events, b"ended"))
        await asyncio.sleep(0)
        feed.close()
        return [await waiting, await anext(events, b"ended")]

    assert asyncio.run(scenario())[-1] == b"ended"


def scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }


class Client:
    """A client of the ASGI application, that may stop reading."""

    def __init__(self, app: Any) -> None:
        self.got: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._gone = asyncio.Event()
        self._task = asyncio.create_task(app(scope("/events"), self._receive, self._send))

    async def leave(self) -> None:
        self.reads.set()
        self._gone.set()
        await self._task

    async def until(self, messages: int) -> None:
        while len(self.got) < messages:  # noqa: ASYNC110  each turn is a step of the feed
            await asyncio.sleep(0)

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.got.append(message.get("body", b""))
        await self.reads.wait()


def test_the_whole_application_holds_one_message_for_a_client_that_does_not_read() -> None:
    async def scenario() -> tuple[int, int, Event, int]:
        feed = Feed(State(filler=10_000))
        app = build_app(Page(cells=dict), feed)
        client = Client(app)
        await client.until(3)  # the headers, the time to retry, the snapshot
        client.reads.clear()
        feed.publish()
        await client.until(4)
        for _ in range(1_000):
            feed.publish()
            await asyncio.sleep(0)
        stuck = len(client.got)
        client.reads.set()
        await client.until(5)
        newest = parsed(client.got[4])
        await client.leave()
        return stuck, len(client.got), newest, feed.connected

    stuck, all_together, (_, change), connected = asyncio.run(scenario())
    assert stuck == 4
    assert all_together <= 6
    assert change["number"] == 1_002
    assert connected == 0


def test_beyond_the_limit_a_client_is_refused_until_another_leaves() -> None:
    async def scenario() -> list[int]:
        feed = Feed(State(), clients=2)
        app = build_app(Page(cells=dict, clients=2), feed)
        clients = [Client(app) for _ in range(2)]
        for client in clients:
            await client.until(3)
        counts = [feed.connected]
        refused = Client(app)
        await refused.until(2)
        assert b"2 browsers watch; allowed: 2 at once" in refused.got
        await refused.leave()
        counts.append(feed.connected)
        await clients[0].leave()
        counts.append(feed.connected)
        another = Client(app)
        await another.until(3)
        counts.append(feed.connected)
        for client in (clients[1], another):
            await client.leave()
        return [*counts, feed.connected]

    assert asyncio.run(scenario()) == [2, 2, 1, 2, 0]


@pytest.mark.parametrize("reason", ["cells", "client"])
def test_a_client_whose_events_end_in_an_error_leaves_too(reason: str) -> None:
    async def scenario() -> int:
        def failing() -> dict[str, Any]:
            raise ZeroDivisionError

        feed = Feed(failing if reason == "cells" else State())
        app = build_app(Page(cells=dict), feed)

        async def send(message: Any) -> None:
            if reason == "client" and message.get("body"):
                raise OSError("gone")

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        with pytest.raises((ZeroDivisionError, OSError)):
            await app(scope("/events"), receive, send)
        return feed.connected

    assert asyncio.run(scenario()) == 0
