"""The client of `make bench-web` that does not wait for answers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvloop

from benchmarks.open_loop import CONNECTIONS, Load, ask

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def asked(answer: Callable[[int], Awaitable[bytes]], rate: float = 1_000.0) -> Load:
    """Ask a server that answers byte by byte, depending on how many requests came before."""

    async def run() -> Load:
        seen = 0
        handlers: list[asyncio.Task[None] | None] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            handlers.append(asyncio.current_task())
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while head := await reader.readuntil(b"\r\n\r\n"):
                    assert head.startswith(b"POST /predict HTTP/1.1\r\n")
                    assert await reader.readexactly(4) == b"body"
                    seen += 1
                    for byte in await answer(seen - 1):
                        writer.write(bytes([byte]))
                        await asyncio.sleep(0)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            load = await ask(server.sockets[0].getsockname()[1], b"body", rate, 0.1)
            await asyncio.wait([handler for handler in handlers if handler is not None])
            return load
        finally:
            server.close()

    return uvloop.run(run())


def test_every_request_is_answered_or_has_failed() -> None:
    async def every_third_fails(number: int) -> bytes:
        return OK if number % 3 else BUSY

    load = asked(every_third_fails)

    asked_for = len(load.latencies) + load.failed
    assert load.failed == (asked_for + 2) // 3
    assert min(load.latencies) > 0


def test_requests_go_on_being_due_while_the_service_stands_still() -> None:
    """All connections wait; what is due meanwhile has its wait counted."""
    go_on = asyncio.Event()

    async def stand_still(number: int) -> bytes:
        if number == CONNECTIONS - 1:
            asyncio.get_running_loop().call_later(0.2, go_on.set)
        await go_on.wait()
        return OK

    load = asked(stand_still)

    assert load.failed == 0
    waited = [seconds for seconds in load.latencies if seconds > 0.05]
    assert len(waited) > CONNECTIONS  # also those that no connection was free for


def test_a_service_that_ends_its_connections_gets_new_ones() -> None:
    closing = OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)

    async def closes(_number: int) -> bytes:
        return closing

    load = asked(closes)

    assert len(load.latencies) > CONNECTIONS
    assert load.failed == 0
