"""Requests that are too large, too many or too slow, and clients that go away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.thermometers import GOOD, Asked, reading, scope

if TYPE_CHECKING:
    from tests.fakes.clock import Clock


@pytest.mark.parametrize("body", [b"x" * 2_000, [b"x" * 600, b"x" * 600]])
def test_a_body_that_is_too_large_is_refused(body: Any) -> None:
    found = Asked(max_body_bytes=1_024).ask("POST", "/predict", body)

    assert found.status == 413
    assert found.headers["connection"] == "close"
    assert found.json["error"] == "the body is too large; allowed: 1024 bytes"


def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    asked = Asked(max_body_bytes=1_024)

    async def ask(length: str) -> Any:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            pytest.fail("read")

        async def send(message: Any) -> None:
            sent.append(message)

        await asked.service(scope("POST", "/predict", content_length=length), receive, send)
        return sent[0]["status"]

    for length in ("1025", "9" * 5_000):
        assert asyncio.run(ask(length)) == 413


def test_a_list_that_is_too_long_is_refused() -> None:
    asked = Asked(max_events=2, examples=())

    found = asked.ask("POST", "/predict", b"[1,2,3]")

    assert (found.status, found.json["error"]) == (413, "the list has 3 events; allowed: 2")
    assert asked.model.batches == []


def test_more_events_than_may_wait_are_refused_until_others_are_done() -> None:
    asked = Asked(max_waiting_events=5)
    body = b"[" + b",".join([GOOD] * 4) + b"]"

    async def ask_all() -> list[int]:
        found = await asyncio.gather(*(asked.asks("POST", "/predict", body) for _ in range(3)))
        assert found[1].headers["retry-after"] == "1"
        found.append(await asked.asks("POST", "/predict", body))
        return [each.status for each in found]

    assert asyncio.run(ask_all()) == [200, 429, 429, 200]


def test_bodies_that_are_held_are_bounded_and_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.predictions.HELD_BYTES", 1_000)
    asked = Asked()
    large = reading("m" * 600)

    async def ask_all() -> list[int]:
        found = await asyncio.gather(*(asked.asks("POST", "/predict", large) for _ in range(3)))
        return [each.status for each in found]

    assert asyncio.run(ask_all()) == [200, 429, 429]
    assert asked.ask("POST", "/predict", b"x" * 900).status == 422
    assert asked.ask("POST", "/predict", large).status == 200


def test_a_body_that_ends_early_is_not_answered_and_nothing_is_held() -> None:
    asked = Asked()

    async def ask() -> None:
        messages = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pytest.fail(f"sent {message}")

        await asked.service(scope("POST", "/predict"), receive, send)

    asyncio.run(ask())
    assert asked.service._predictions._held == 0
    metrics = asked.ask("GET", "/metrics").body.decode()
    assert 'web_request_seconds_count{endpoint="predict",status="499"} 1.0' in metrics


def test_a_body_that_takes_too_long_is_refused(clock: Clock) -> None:
    asked = Asked(clock=clock.now, request_seconds=10)
    sent: list[Any] = []

    async def ask() -> None:
        begun = asyncio.Event()

        async def receive() -> dict[str, Any]:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        task = asyncio.create_task(asked.service(scope("POST", "/predict"), receive, send))
        await begun.wait()
        clock.advance(9)
        asked.service.take_turn()
        await asyncio.sleep(0)
        assert not task.done()
        clock.advance(2)
        asked.service.take_turn()
        await task

    asyncio.run(ask())
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_cancelled_request_is_not_mistaken_for_a_slow_one() -> None:
    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        task = asyncio.create_task(Asked().service(scope("POST", "/predict"), receive, receive))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())
