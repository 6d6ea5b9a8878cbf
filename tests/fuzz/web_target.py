"""The fuzz target of the web service: any body, at both of its endpoints."""

import asyncio
import json
from typing import Any

from model import load_model
from streaming.consumer.predictor import Payload, Predictor, Rejected
from streaming.consumer.telemetry import Telemetry
from tests.web.thermometers import NOW, Asked

RIDES = (
    b'{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}',
    b'{"ride": {"PULocationID": 74, "DOLocationID": 75, "trip_distance": 0.9}, "ride_id": "a"}',
)
MODEL = load_model({}, dict)
ASKED = Asked(MODEL, examples=RIDES, log_level="CRITICAL", max_events=8)
ALONE = Predictor(MODEL, Telemetry("fuzz", "Fuzz", "CRITICAL"))
LOOP = asyncio.new_event_loop()
INFER = f"/v2/models/{MODEL.name}/infer"
PREDICT = "/predict"
STATUSES = {PREDICT: {200, 413, 422}, INFER: {200, 400, 413}}
MESSAGE_LIMIT = 1_000
"""Bytes of an error message, whatever the size of the body."""

TENSOR = {"name": "events", "datatype": "BYTES", "shape": [1], "data": [RIDES[0].decode()]}
REQUEST = {"id": "7", "inputs": [TENSOR], "outputs": [{"name": "ride_tip"}]}
SEEDS = (
    b"\0" + RIDES[0],
    b"\0[" + b",".join(RIDES) + b", 5]",
    b"\0 [{}, [[]], null, -1e5, " + RIDES[0] + b"]",
    b"\0[" + RIDES[0],
    b"\1" + json.dumps(REQUEST).encode(),
    b"\1" + json.dumps({"inputs": [{**TENSOR, "shape": [1, 1]}]}).encode(),
)


class BrokenAnswer(Exception):
    """A promise of the web service does not hold for a body."""


def fuzz_web_body(data: bytes) -> None:
    """Any body is answered in JSON, an event as on the stream; the first byte chooses where."""
    path = INFER if data[:1] == b"\1" else PREDICT
    body = data[1:]
    found = LOOP.run_until_complete(ASKED.asks("POST", path, body, x_request_id="r"))
    _check(found.status in STATUSES[path], f"status {found.status}")
    answer = found.json
    if isinstance(answer, dict) and "error" in answer:
        _check(len(answer["error"].encode()) <= MESSAGE_LIMIT, "a long message")
    if path == PREDICT and not isinstance(answer, list) and found.status != 413:
        _check(answer == _alone(body, "r"), "another answer than the stream's")
    if path == PREDICT and isinstance(answer, list):
        entries = json.loads(body, parse_constant=_reject_constant)
        _check(len(answer) == len(entries), "answers are lost")
    if path == INFER and found.status == 200:
        _check(answer["model_name"] == MODEL.name, "another model")


def _alone(body: bytes, event_id: str) -> Any:
    (answer,) = ALONE.predict([Payload(body, event_id)], NOW, 10.0)
    if isinstance(answer, bytes):
        return json.loads(answer)
    if isinstance(answer, Rejected):
        return {"error_type": answer.error_type, "error": answer.error_message}
    return {"skipped": True}


def _reject_constant(constant: str) -> None:
    raise BrokenAnswer(f"{constant} in a list that was answered")


def _check(holds: object, otherwise: str) -> None:
    if not holds:
        raise BrokenAnswer(otherwise)
