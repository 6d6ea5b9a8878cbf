"""The page's HTTP server: its files, its events, and the ride that a visitor puts."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from page.feed import CLIENTS, TICK_SECONDS, Feed
from page.guard import COOKIE, EVENTS, LOOPBACK, Guard, cookie_value, has_token, same
from page.ride_form import Busy, RideForm
from streaming import InvalidEvent, StreamError, StreamingError

STATIC = Path(__file__).parent / "static"
HOST = "127.0.0.1"
PORT = 8765
BODY_BYTES = 4096
CONNECTIONS = 2 * CLIENTS
START_SECONDS = 10.0
REQUEST_SECONDS = 30.0
STOP_SECONDS = 3.0
STATUS: dict[type[Exception], int] = {InvalidEvent: 422, Busy: 503, StreamError: 502}
"""By the error of a ride that cannot be put."""


class PageError(StreamingError):
    """The page cannot be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is served.

    Attributes:
        cells: Returns the state, each cell's JSON; called in the server's thread.
        form: Puts visitors' rides; None: the page only shows.
        token: What visitors must know; None: nothing.
        hosts: The hosts that a request may name; empty: any.
        clients: How many browsers may watch at once.
        tick: Seconds between two looks for changes.
        seconds: What a request may take, from its first byte until its answer was taken; a ride
            waits for its prediction. A connection without one ends sooner.
    """

    cells: Callable[[], Mapping[str, Any]]
    form: RideForm | None = None
    token: str | None = None
    hosts: tuple[str, ...] = LOOPBACK
    clients: int = CLIENTS
    tick: float = TICK_SECONDS
    seconds: float = REQUEST_SECONDS


def build_app(page: Page, feed: Feed) -> Starlette:
    """Return the ASGI application of a page."""
    answers = _Answers(page, feed)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(feed.run())
        # Without it browsers would hear that the server lives, and see nothing new.
        running.add_done_callback(lambda _: feed.close())
        yield
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    return Starlette(
        routes=[
            Route("/", answers.index),
            Route(EVENTS, answers.events),
            Route("/state", answers.state),
            Route("/rides", answers.put_ride, methods=["POST"]),
            Route("/token", answers.enter, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=page.hosts, token=page.token, seconds=page.seconds)],
        lifespan=lifespan,
    )


class _Answers:
    def __init__(self, page: Page, feed: Feed) -> None:
        self._page = page
        self._feed = feed

    async def index(self, request: Request) -> Response:
        if not has_token(request.scope, self._page.token):
            return FileResponse(STATIC / "token.html", status_code=401)
        return FileResponse(STATIC / "index.html")

    async def events(self, request: Request) -> Response:
        if not self._feed.join():
            limit = self._page.clients
            return PlainTextResponse(f"{limit} browsers watch; allowed: {limit} at once", 503)
        stream = self._feed.events(request.headers.get("last-event-id"))
        return _Events(
            stream, self._feed.leave, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )

    async def state(self, _request: Request) -> Response:
        return Response(self._feed.snapshot(), media_type="application/json")

    async def put_ride(self, request: Request) -> Response:
        form = self._page.form
        if form is None:
            return _refused("the page only shows: rides cannot be put here", 403)
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refused("the content type is not allowed; allowed: application/json", 415)
        content = await _body(request)
        if content is None:
            return _refused(f"the ride is too large; allowed: {BODY_BYTES} bytes", 413)
        try:
            found = await form.put(content)
        except tuple(STATUS) as error:
            return _refused(str(error), STATUS[type(error)])
        if found is None:
            return _refused("no prediction in time: see the dead letters, and the function", 504)
        return JSONResponse(found)

    async def enter(self, request: Request) -> Response:
        token = self._page.token
        content = await _body(request) or b""
        given = parse_qs(content.decode("utf-8", "replace")).get("token", [""])[0]
        if token is None or not same(given, token):
            return FileResponse(STATIC / "token.html", status_code=401)
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, cookie_value(token), httponly=True, samesite="strict")
        return response


class _Events(StreamingResponse):
    """Events for one client, however it ends."""

    def __init__(
        self,
        events: AsyncIterator[bytes],
        ended: Callable[[], object],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


@contextmanager
def serve(page: Page, host: str = HOST, port: int | None = None) -> Iterator[str]:
    """Serve a page from a thread, and yield its address.

    Args:
        page: What is served.
        host: The address to bind.
        port: The port; None: 8765, or a free one if that is taken; 0: a free one.

    Raises:
        PageError: The address cannot be bound, or the server does not start.
    """
    listener = _listener(host, port)
    feed = Feed(page.cells, page.clients, tick=page.tick)
    config = uvicorn.Config(
        build_app(page, feed),
        http="h11",  # it bounds a request's head
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    loop: asyncio.AbstractEventLoop | None = None

    async def run() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        watching = asyncio.create_task(_end_silent(server.server_state.connections, page.seconds))
        await server.serve(sockets=[listener])
        watching.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="page", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        shown, number = listener.getsockname()[:2]
        yield f"http://{f'[{shown}]' if ':' in shown else shown}:{number}/"
    finally:
        if loop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(feed.close)
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()


async def _end_silent(connections: Collection[Any], seconds: float) -> None:
    """End connections that neither send a request nor take the rest of an answer.

    uvicorn waits for both without a limit, and strangers could hold every connection there is.
    """
    before: set[Any] = set()
    while True:
        await asyncio.sleep(seconds / 2)
        silent = {each for each in connections if _is_silent(each)}
        for each in silent & before:
            each.transport.abort()
        before = silent


def _is_silent(connection: Any) -> bool:
    cycle = connection.cycle
    return cycle is None or cycle.response_complete or connection.transport.is_closing()


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    waited = 0.0
    while not server.started:
        thread.join(0.02)
        waited += 0.02
        if not thread.is_alive() or waited > START_SECONDS:
            raise PageError("the page's server does not start")


def _listener(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    choices = (PORT, 0) if port is None else (port,)
    for choice in choices:
        try:
            return socket.create_server((host, choice), family=family)
        except OSError as error:
            failure = error
    raise PageError(
        f"cannot listen on {host}, port {choices[-1]}: {failure.strerror or failure}"
    ) from failure


async def _body(request: Request) -> bytes | None:
    """Return a request's body; None if it is too large."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES:
            return None
    return content


def _refused(reason: str, status: int) -> Response:
    return JSONResponse({"error": reason}, status)
