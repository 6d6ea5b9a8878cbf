"""Serves the service over HTTP/1.1 with uvicorn, and stops gracefully."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from streaming import StreamingError
from web.service import Service
from web.web_settings import WebSettings

HEADER_BYTES = 64 * 1024
"""Of a request's line and header, with the part of the body that comes in the same packet."""

KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy keeps an idle connection (60 s is usual), so that it never writes into one
that this side closes."""

TURN_SECONDS = 0.5


class ServeError(StreamingError):
    """The address cannot be bound."""


class _Connection(HttpToolsProtocol):
    """A connection whose header may neither be long nor take long, and whose end does not either.

    Attributes:
        began: When the header that is being read began; None: none is.
        busy: When the request began that is being answered, or when the last answer was given if
            its request has not been sent to its end, or it has not been read; None: idle.
        is_sent: Whether the client has sent its last request to the end.
    """

    began: float | None = None
    busy: float | None = None
    is_sent = True
    header_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a header."""
        super().connection_made(transport)
        self.began = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        if self.began is not None:
            self.header_bytes += len(data)
            if self.header_bytes > HEADER_BYTES and not self.transport.is_closing():
                self.send_400_response("The header is too long.")

    def on_message_begin(self) -> None:
        """Begin to read a header."""
        super().on_message_begin()
        self.began = time.monotonic()
        self.header_bytes = 0

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        # Of several requests that are sent together, the first one's answer comes first.
        self.busy = self.began if self.busy is None else self.busy
        self.began, self.is_sent = None, False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self.is_sent = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer."""
        super().on_response_complete()
        self.busy = None if self._is_idle() else time.monotonic()

    def _is_idle(self) -> bool:
        """Return whether the last request was sent, and all answers were given and read."""
        done = self.cycle is None or self.cycle.response_complete
        return done and self.is_sent and not self.transport.get_write_buffer_size()

    def end_if_late(self, now: float, seconds: float) -> None:
        """End the connection if its client takes too long to ask, or to read the answer."""
        if self._is_idle():
            self.busy = None
        too_slow = self.began is not None and now - self.began > seconds
        # The body and the prediction have the same time, each.
        if too_slow or (self.busy is not None and now - self.busy > 4 * seconds):
            self.transport.abort()


class _Server(uvicorn.Server):
    """Asks to stop at a signal; once it stops, a further Ctrl-C ends requests in flight."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM."""
        if self.should_exit:
            super().handle_exit(sig, frame)
            self._captured_signals.clear()  # else it would be raised again after a graceful stop
        self._stop()


def serve(service: Service, settings: WebSettings, listener: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer what is in flight.

    Args:
        service: Answers.
        settings: Limits and times.
        listener: Where to accept connections.
    """
    config = uvicorn.Config(
        service,
        http=_Connection,
        loop="uvloop",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2 * settings.request_seconds,
        backlog=1024,
    )
    stopping_since: float | None = None

    def stop() -> None:
        """Begin to stop; a second signal does not wait for `DRAIN_SECONDS`."""
        nonlocal stopping_since
        if stopping_since is not None:
            server.should_exit = True
        stopping_since = time.monotonic()
        service.is_stopping = True
        end_drain(stopping_since)

    def end_drain(now: float) -> None:
        if stopping_since is not None and now - stopping_since >= settings.drain_seconds:
            server.should_exit = True

    async def take_turns() -> None:
        while True:
            now = time.monotonic()
            end_drain(now)
            for connection in list(server.server_state.connections):
                if isinstance(connection, _Connection):
                    connection.end_if_late(now, settings.request_seconds)
            service.take_turn()
            await asyncio.sleep(TURN_SECONDS)

    async def run() -> None:
        turns = asyncio.create_task(take_turns())
        try:
            await server.serve(sockets=[listener])
        finally:
            turns.cancel()

    server = _Server(config, stop)
    factory = config.get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


def listen(host: str, port: int) -> socket.socket:
    """Bind an address.

    Raises:
        ServeError: It cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        # Python's own text says the address again. A number below 0 is getaddrinfo's.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else "no such host" if number else error
        raise ServeError(f"cannot listen on {host}, port {port}: {reason}") from error


def address(listener: socket.socket) -> str:
    """Return the URL of a listener."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
