"""Server-sent events: a snapshot, then what changed, at most ten times a second.

Bound: the server keeps for each client a version number, at most one message (the board, below
100 kB) and what the socket has buffered (64 KiB, then it waits). A client that does not read gets
the newest state when it does.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any

from page.board import Board

TICK_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
"""A page that hears nothing for three seconds shows that it is stale."""

RETRY_MILLISECONDS = 1_000
CLIENTS = 100


class Feed:
    """Sends a source's state to every client; used in one event loop.

    Args:
        cells: Returns the state: each cell's JSON.
        clients: How many there may be at once.
        tick: Seconds between two looks for changes.
        heartbeat: Seconds after which a client hears something even if nothing has changed.
        sleep: Waits for some seconds.

    Attributes:
        connected: How many clients there are.
    """

    def __init__(
        self,
        cells: Callable[[], Mapping[str, Any]],
        clients: int = CLIENTS,
        *,
        tick: float = TICK_SECONDS,
        heartbeat: float = HEARTBEAT_SECONDS,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self.connected = 0
        self._cells = cells
        self._clients = clients
        self._tick = tick
        self._heartbeat = heartbeat
        self._sleep = sleep
        self._board = Board()
        self._changed = asyncio.Event()
        self._watched = asyncio.Event()
        self._closed = False

    def join(self) -> bool:
        """Count a client; return whether there is room for it."""
        if self.connected >= self._clients:
            return False
        self.connected += 1
        self._watched.set()
        return True

    def leave(self) -> None:
        """End what `join` began."""
        self.connected -= 1
        if self.connected == 0:
            self._watched.clear()

    def snapshot(self) -> bytes:
        """Return the whole state as JSON."""
        self._board.update(self._cells())
        return self._board.since(0)

    async def run(self) -> None:
        """Look for changes while anybody watches, until it is cancelled."""
        while True:
            await self._watched.wait()
            self.publish()
            await self._sleep(self._tick)

    def close(self) -> None:
        """End every client's events."""
        self._closed = True
        self._wake()

    async def events(self, last_event_id: str | None) -> AsyncGenerator[bytes, None]:
        """Yield events until the feed is closed, to a client that has joined.

        Args:
            last_event_id: Of the last event that the client got; it is sent what is newer. None or
                another server's: it is sent everything.
        """
        version = self._board.version_of(last_event_id)
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        self.publish()
        while not self._closed:
            changed, sent = self._changed, self._board.version
            message = self._board.since(version)
            yield b"id: %s\ndata: %s\n\n" % (self._board.event_id().encode(), message)
            version = sent
            if not self._closed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), self._heartbeat)

    def publish(self) -> None:
        """Look for changes, and tell every client that there are any."""
        if self._board.update(self._cells()):
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
