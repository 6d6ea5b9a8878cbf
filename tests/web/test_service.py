"""What the service answers, request by request."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import Consumer, Telemetry
from streaming.storage import FolderStorage
from tests.bad_json import not_an_event
from tests.lambda_events import event as lambda_event
from tests.web.thermometers import GOOD, OTHER_TYPE, Asked, Thermometers
from web.service import STATIC

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.clock import Clock

KEY = "sixteen-characters-or-more"
LIST = b"[1, 2]"
ASKED = Asked()


def reading(machine: str, celsius: float = 20.5) -> bytes:
    return json.dumps({"machine": machine, "celsius": celsius}).encode()


def test_an_event_is_answered_with_its_prediction_record() -> None:
    found = ASKED.ask("POST", "/predict", GOOD, x_request_id="the-request:7")

    assert found.status == 200
    assert found.headers["x-request-id"] == "the-request:7"
    assert found.headers["content-type"] == "application/json"
    assert found.json == {
        "event_type": "alarm_predicted",
        "event_id": "the-request:7",
        "model": "alarm_model",
        "version": "1",
        "prediction": {"machine": "m1", "kelvin": 368.65},
        "arrived_at": "2025-03-01T13:15:00.123Z",
    }


def test_a_list_is_answered_in_order_and_a_bad_entry_fails_alone() -> None:
    entries = [reading("a"), b'{"machine": 5, "celsius": 1}', OTHER_TYPE, reading("broken"), b"7"]

    found = ASKED.ask("POST", "/predict", b" [" + b",".join(entries) + b"]", x_request_id="r")

    first, wrong, other, broken, number = found.json
    assert found.status == 200
    assert (first["event_id"], first["prediction"]["machine"]) == ("r:0", "a")
    assert wrong == {"error_type": "InvalidEvent", "error": "machine is 5; allowed: a string"}
    assert other == {"skipped": True}
    assert broken["error_type"] == "PredictionFailed"
    assert number["error"] == "event is b'7'; allowed: a JSON object"


def test_an_event_of_another_type_is_skipped() -> None:
    found = ASKED.ask("POST", "/predict", OTHER_TYPE)

    assert (found.status, found.json) == (200, {"skipped": True})


def test_an_empty_list_is_answered_with_one() -> None:
    found = ASKED.ask("POST", "/predict", b"[]")

    assert (found.status, found.json) == (200, [])


def dead_letter(data: bytes, folder: Path) -> dict[str, Any]:
    """Return the dead-letter record that the consumer writes for data on the stream."""
    consumer = Consumer(
        Thermometers(),
        publisher=None,
        dead_letters=FolderStorage(folder),
        telemetry=Telemetry("test", "Test"),
    )
    assert consumer.handle(lambda_event(data)) == {
        "batchItemFailures": [],
        "predictions": [],
    }
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    found: dict[str, Any] = json.loads(path.read_text())
    assert base64.b64decode(found["data"]) == data
    return found


@pytest.mark.parametrize(
    "data",
    [
        *(each for each in not_an_event(b'{"machine": "m", "celsius": 1}')[:10] if each != LIST),
        b"[" * 50_000,
        b"[5",
        b"[1,]",
        b"\x1f\x8b damaged",
        gzip.compress(b'{"machine": 1}'),
        b'{"machine": "m1"}',
        b'{"machine": "m1", "celsius": NaN}',
        b'{"celsius": 1, "machine": "\xff"}',
    ],
    ids=lambda data: repr(data[:24]),
)
def test_bytes_are_refused_with_the_words_of_their_dead_letter(data: bytes, tmp_path: Path) -> None:
    found = ASKED.ask("POST", "/predict", data)

    expected = dead_letter(data, tmp_path)
    assert found.status == 422
    assert found.json == {
        "error_type": expected["error_type"],
        "error": expected["error_message"],
    }


def test_gzipped_data_is_predicted_as_on_the_stream() -> None:
    found = ASKED.ask("POST", "/predict", gzip.compress(GOOD))

    assert found.json["prediction"]["machine"] == "m1"


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    found = ASKED.ask("POST", "/predict", data)

    assert found.status in {200, 422}
    assert found.json is not None
    assert len(found.headers["x-request-id"]) == 32


@given(
    st.lists(
        st.lists(st.sampled_from(["good", "broken", "wrong", "other"]), min_size=1, max_size=40),
        min_size=1,
        max_size=12,
    )
)
def test_concurrent_requests_get_their_own_answers(requests: list[list[str]]) -> None:
    asked = Asked()
    bodies = [
        [
            {
                "good": reading(f"{number}-{i}", i),
                "broken": reading("broken"),
                "wrong": json.dumps({"machine": f"{number}-{i}", "celsius": "?"}).encode(),
                "other": OTHER_TYPE,
            }[kind]
            for i, kind in enumerate(kinds)
        ]
        for number, kinds in enumerate(requests)
    ]

    async def ask_all() -> list[Any]:
        return await asyncio.gather(
            *(
                asked.asks("POST", "/predict", b"[" + b",".join(body) + b"]", x_request_id=str(i))
                for i, body in enumerate(bodies)
            )
        )

    for number, (kinds, found) in enumerate(zip(requests, asyncio.run(ask_all()), strict=True)):
        assert found.status == 200
        for i, (kind, answer) in enumerate(zip(kinds, found.json, strict=True)):
            if kind == "good":
                assert answer["event_id"] == f"{number}:{i}"
                kelvin = pytest.approx(i + 273.15)
                assert answer["prediction"] == {"machine": f"{number}-{i}", "kelvin": kelvin}
            elif kind == "other":
                assert answer == {"skipped": True}
            else:
                expected = {"broken": "PredictionFailed", "wrong": "InvalidEvent"}[kind]
                assert answer["error_type"] == expected


def test_concurrent_requests_are_predicted_with_one_call() -> None:
    asked = Asked(examples=())

    async def ask_all() -> None:
        await asyncio.gather(*(asked.asks("POST", "/predict", GOOD) for _ in range(20)))

    asyncio.run(ask_all())

    assert asked.model.batches == [20]


def test_a_model_that_fails_on_everything_is_unavailable_and_comes_back() -> None:
    asked = Asked()
    asked.model.raises = OSError("the feature store is away")
    single = asked.ask("POST", "/predict", GOOD)
    several = asked.ask("POST", "/predict", b"[" + GOOD + b"," + OTHER_TYPE + b"]")
    asked.model.raises = None

    for found in (single, several):
        assert found.status == 503
        assert found.headers["retry-after"] == "1"
        assert found.json["error_type"] == "Unavailable"
    assert asked.ask("POST", "/predict", GOOD).status == 200


def test_a_lack_of_memory_is_no_events_fault() -> None:
    asked = Asked()
    asked.model.raises = MemoryError()

    assert asked.ask("POST", "/predict", GOOD).status == 503


def test_the_examples_are_what_the_first_bad_event_is_compared_with() -> None:
    """Without them, it would look like an outage."""
    assert Asked().ask("POST", "/predict", reading("broken")).status == 422
    assert Asked(examples=()).ask("POST", "/predict", reading("broken")).status == 503


@pytest.mark.parametrize("body", [b"x" * 2_000, [b"x" * 600, b"x" * 600]])
def test_a_body_that_is_too_large_is_refused(body: Any) -> None:
    found = Asked(max_body_bytes=1_024).ask("POST", "/predict", body)

    assert found.status == 413
    assert found.headers["connection"] == "close"
    assert found.json["error"] == "the body is too large; allowed: 1024 bytes"


def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    asked = Asked(max_body_bytes=1_024)

    for length in ("1025", "9" * 5_000):
        assert asked.ask("POST", "/predict", b"", content_length=length).status == 413


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
    gone = asked.ask("POST", "/predict", [b"x" * 900, b""][:1])
    assert gone.status == 422
    assert asked.ask("POST", "/predict", large).status == 200


def test_a_body_that_ends_early_is_not_answered_and_nothing_is_held() -> None:
    asked = Asked()

    async def ask() -> None:
        messages = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pytest.fail(f"sent {message}")

        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        await asked.service(scope, receive, send)

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

        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        task = asyncio.create_task(asked.service(scope, receive, send))
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

        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        task = asyncio.create_task(ASKED.service(scope, receive, receive))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())


@pytest.mark.parametrize("given", ["", "a b", "é", "x" * 129])
def test_a_request_id_that_is_not_sane_is_replaced(given: str) -> None:
    found = ASKED.ask("POST", "/predict", GOOD, x_request_id=given)

    assert found.headers["x-request-id"] != given
    assert found.json["event_id"] == found.headers["x-request-id"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x_api_key": "wrong"}, 401),
        ({"x_api_key": KEY + "x"}, 401),
        ({"authorization": KEY}, 401),
        ({"authorization": f"1234567{KEY}"}, 401),
        ({"authorization": f"Digest {KEY}"}, 401),
        ({"authorization": f"Bearer{KEY}"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": f"Bearer {KEY} {KEY}"}, 401),
        ({"x_api_key": KEY}, 200),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bEARER  {KEY}"}, 200),
    ],
)
def test_a_key_is_asked_for_if_one_is_set(headers: dict[str, str], status: int) -> None:
    asked = Asked(api_key=KEY)

    assert asked.ask("POST", "/predict", GOOD, **headers).status == status
    assert asked.ask("GET", "/metrics", b"", **headers).status == status
    assert asked.ask("GET", "/v2", b"", **headers).status == status
    for path in ("/", "/livez", "/readyz", "/openapi.json", "/static/api.js", "/v2/health/ready"):
        assert asked.ask("GET", path).status == 200


def test_stopping_shows_in_readiness_and_requests_are_still_answered() -> None:
    asked = Asked()
    ready = ["/readyz", "/v2/health/ready", "/v2/models/alarm_model/ready"]
    assert [asked.ask("GET", path).status for path in ready] == [200, 200, 200]

    asked.service.is_stopping = True

    assert [asked.ask("GET", path).status for path in ready] == [503, 503, 503]
    assert asked.ask("GET", "/livez").status == 200
    assert asked.ask("POST", "/predict", GOOD).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "error_type"),
    [
        ("GET", "/predict", 405, "MethodNotAllowed"),
        ("POST", "/readyz", 405, "MethodNotAllowed"),
        ("GET", "/nothing", 404, "NotFound"),
        ("GET", "/static/secrets", 404, "NotFound"),
        ("GET", "/static/../service.py", 404, "NotFound"),
    ],
)
def test_what_is_not_served_is_an_error_in_json(
    method: str, path: str, status: int, error_type: str
) -> None:
    found = ASKED.ask(method, path)

    assert (found.status, found.json["error_type"]) == (status, error_type)


@pytest.mark.parametrize(
    "path", ["/", *(f"/static/{path.name}" for path in sorted(STATIC.iterdir()))]
)
def test_the_page_may_load_nothing_from_elsewhere(path: str) -> None:
    found = ASKED.ask("GET", path)

    assert found.status == 200
    assert found.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert b"//" not in found.body.replace(b"// Shows", b"")


def test_metrics_count_requests_events_and_batches() -> None:
    asked = Asked(examples=())
    asked.ask("POST", "/predict", b"[" + b",".join([GOOD, b"5", OTHER_TYPE]) + b"]")
    asked.ask("POST", "/predict", b"7")

    lines = asked.ask("GET", "/metrics").body.decode().splitlines()

    for expected in (
        'web_request_seconds_count{endpoint="predict",status="200"} 1.0',
        'web_request_seconds_count{endpoint="predict",status="422"} 1.0',
        'web_events_total{outcome="predicted"} 1.0',
        'web_events_total{outcome="rejected"} 2.0',
        'web_events_total{outcome="skipped"} 1.0',
        "web_batch_events_count 2.0",
        "web_waiting_events 0.0",
        'web_model{name="alarm_model",version="1"} 1.0',
    ):
        assert expected in lines


def test_logs_hold_nothing_of_a_body(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked(log_level="DEBUG")
    secret = "SECRET"  # noqa: S105
    asked.model.raises = None
    for body in (
        reading(secret),
        json.dumps({"machine": "m", "celsius": secret}).encode(),
        f"{secret} is no JSON".encode(),
        b"[" + json.dumps({"machine": [secret]}).encode() + b"]",
    ):
        asked.ask("POST", "/predict", body, x_request_id="known")
    asked.ask("POST", "/v2/models/alarm_model/infer", f'{{"inputs": ["{secret}"]}}'.encode())
    asked.ask("POST", f"/{secret}", b"")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["status"] for line in requests] == [200, 422, 422, 200, 400, 404]
    assert requests[1]["reason"] == "InvalidEvent: celsius is not a number"
    assert {line["request_id"] for line in requests[:4]} == {"known"}
    assert secret not in json.dumps(lines)


def test_a_flood_of_bad_requests_is_no_flood_of_logs(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    asked = Asked()
    asked.log._clock = clock.now
    for _ in range(100):
        asked.ask("POST", "/predict", b"5")
    clock.advance(1)
    asked.ask("POST", "/predict", b"5")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 20 + 1 + 1
    assert (lines[20]["message"], lines[20]["lines"]) == ("more lines in one second", 80)


def test_a_bug_costs_its_request_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("SEC" + "RET")

    with monkeypatch.context() as patched:
        patched.setattr(asked.service._predictions, "predict", fail)
        patched.setattr(asked.service._metrics, "text", fail)
        found = [asked.ask("POST", "/predict", GOOD), asked.ask("GET", "/metrics")]

    for each in found:
        assert each.status == 500
        assert each.json["error_type"] == "InternalError"
    assert "SECRET" not in capsys.readouterr().out
    assert asked.ask("POST", "/predict", GOOD).status == 200
