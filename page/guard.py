"""Who may see the page, and what a browser may do with it."""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streaming import SettingsError

COOKIE = "page_token"
TOKEN_SETTING = "PAGE_TOKEN"  # noqa: S105  the variable's name
TOKEN_CHARACTERS = 16
LOOPBACK = ("127.0.0.1", "localhost", "::1")

POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
EVENTS = "/events"
OPEN = ("/static/", "/token")
"""Paths without a token: files of the project, and the form that asks for it."""


def checked_token(host: str, environment: Mapping[str, str]) -> str | None:
    """Return the token that visitors must give; None on loopback, unless one is set.

    Raises:
        SettingsError: There is none although others can connect, or it is too short.
    """
    token = environment.get(TOKEN_SETTING) or None
    if token is None and host in LOOPBACK:
        return None
    if token is None or len(token) < TOKEN_CHARACTERS or not token.isprintable():
        shown = None if token is None else f"of {len(token)} characters"
        allowed = f"at least {TOKEN_CHARACTERS} printable characters"
        raise SettingsError(
            TOKEN_SETTING, shown, allowed if shown else f"{allowed}, with any host but 127.0.0.1"
        )
    return token


def cookie_value(token: str) -> str:
    """Return the value of the cookie of a visitor who gave the token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Guard:
    """Checks each request, and adds the headers to each response.

    On loopback a request must name it as its host: else a page elsewhere could have its own name
    resolve to this machine, and read what is served here.

    Args:
        app: What is guarded.
        hosts: The allowed hosts; empty: any.
        token: The visitors' token; None: none is needed.
        seconds: What a request may take until its answer was taken, except for the events.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: tuple[str, ...], token: str | None, seconds: float
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._token = token
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        has_begun = False

        async def with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        refusal = self._refusal(scope)
        limit = None if scope["path"] == EVENTS and refusal is None else self._seconds
        try:
            async with asyncio.timeout(limit):
                await (refusal or self._app)(scope, receive, with_headers)
        except TimeoutError:
            if has_begun:
                raise
            late = PlainTextResponse(f"no answer within {self._seconds:g} s", 504)
            await late(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if self._hosts and _host(headers.get("host", "")) not in self._hosts:
            allowed = " or ".join(self._hosts)
            return PlainTextResponse(f"the host is not allowed; allowed: {allowed}", 400)
        if scope["method"] == "POST" and headers.get("sec-fetch-site", "none") not in (
            "same-origin",
            "none",
        ):
            return PlainTextResponse("a request of another page; allowed: this page's", 403)
        is_open = scope["path"] == "/" or scope["path"].startswith(OPEN)
        if not is_open and not has_token(scope, self._token):
            return PlainTextResponse("the token is needed: open the page first", 401)
        return None


def has_token(scope: Scope, token: str | None) -> bool:
    """Return whether a request has the token's cookie, or none is needed."""
    return token is None or same(Request(scope).cookies.get(COOKIE, ""), cookie_value(token))


def same(given: str, expected: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _host(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
