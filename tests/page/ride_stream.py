"""Records of rides and their predictions, as a reader returns them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from streaming import StreamRecord

ARRIVED = datetime(2025, 3, 1, 13, 15, tzinfo=UTC)
RIDES, PREDICTIONS, CHALLENGER = "ride_events", "ride_predictions", "ride_predictions_challenger_1"


def record(data: object, key: str = "256", number: int = 1, seconds: float = 0.0) -> StreamRecord:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    arrived_at = ARRIVED + timedelta(seconds=seconds)
    return StreamRecord("shardId-000000000000", str(number), key, content, arrived_at)


def started(
    ride: int | str = 256, pickup: int = 130, dropoff: int = 205, **more: Any
) -> StreamRecord:
    zones = {"PULocationID": pickup, "DOLocationID": dropoff, "trip_distance": 3.66}
    return record({"ride_id": ride, "ride": {**zones, **more}}, str(ride))


def ended(ride: int | str = 256, **more: Any) -> StreamRecord:
    return record({"event_type": "ride_ended", "ride_id": ride, **more}, str(ride))


def predicted(
    ride: int | str = 256, minutes: float = 20.0, tip: float | None = 2.5, **more: Any
) -> StreamRecord:
    values = {"ride_id": ride, "ride_duration": minutes, "ride_tip": tip}
    event = {
        "event_type": "ride_predicted",
        "event_id": f"shardId-000000000000:{ride}",
        "model": "ride_model",
        "version": "v1",
        "prediction": values,
        "arrived_at": "2025-03-01T13:15:00.000Z",
    }
    return record({**event, **more}, str(ride), seconds=0.25)
