"""What is logged of requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.web.thermometers import Asked, reading

if TYPE_CHECKING:
    import pytest

    from tests.fakes.clock import Clock


def test_logs_hold_nothing_of_a_body(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked(log_level="DEBUG")
    secret = "SECRET"  # noqa: S105
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
