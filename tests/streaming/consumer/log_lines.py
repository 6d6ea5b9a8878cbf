"""What telemetry is told, and the lines that it wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streaming.consumer.records import UserRecord, user_records
from streaming.errors import InvalidEvent
from tests.lambda_events import event

if TYPE_CHECKING:
    import pytest

    from streaming.errors import Poison

SERVICE = "ride_prediction_model"


def poison(count: int) -> list[tuple[UserRecord, Poison]]:
    """Return the user records of a batch whose data is secret, each with its error."""
    error = InvalidEvent("ride_id", "secret", "an integer")
    records = user_records(event(*[b"secret"] * count)["Records"], 0.0)
    return [(user_record, error) for user_record in records]


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
