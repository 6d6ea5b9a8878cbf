"""Who is answered, and what else than predictions: ids, keys, readiness, the page, metrics."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.thermometers import GOOD, OTHER_TYPE, Asked
from web.service import STATIC

KEY = "sixteen-characters-or-more"
ASKED = Asked()


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
