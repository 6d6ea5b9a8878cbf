"""A model that needs no files, and a service with it, asked without a socket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, invalid_event
from web.prometheus_metrics import Metrics
from web.request_log import RequestLog
from web.served_model import ServedModel
from web.service import Service
from web.web_settings import WebSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming import ModelRefresh

ALLOWED = {WHOLE_EVENT: "a JSON object", "machine": "a string", "celsius": "a number"}
GOOD = b'{"machine": "m1", "celsius": 95.5}'
OTHER_TYPE = b'{"type": "humidity"}'
NOW = 1_740_834_900.123


def reading(machine: str, celsius: float = 20.5) -> bytes:
    return json.dumps({"machine": machine, "celsius": celsius}).encode()


class Reading(msgspec.Struct):
    machine: str
    celsius: float
    type: str = "temperature"


class Thermometers:
    """Predicts whether a machine is too hot; raises for a machine that is named so."""

    name, event_type = "alarm_model", "alarm_predicted"

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.raises: Exception | None = None
        self.batches: list[int] = []

    def decode(self, content: bytes, _arrived_at: float) -> Reading | None:
        if b"humidity" in content:
            return None
        try:
            return msgspec.json.decode(content, type=Reading)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, ALLOWED) from error

    def predict(self, events: Sequence[Reading]) -> list[Prediction]:
        self.batches.append(len(events))
        if self.raises is not None:
            raise self.raises
        if any(event.machine == "broken" for event in events):
            raise ZeroDivisionError
        return [
            Prediction(each.machine, {"machine": each.machine, "kelvin": each.celsius + 273.15})
            for each in events
        ]


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def scope(method: str, path: str, **headers: str) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }


class Asked:
    """A service that is asked without a server."""

    def __init__(
        self,
        model: Any = None,
        *,
        refresh: ModelRefresh[Any] | None = None,
        examples: Sequence[bytes] = (GOOD,),
        clock: Any = None,
        **settings: Any,
    ) -> None:
        self.model = model or Thermometers()
        self.settings = WebSettings(**settings)
        self.log = RequestLog(self.model.name, self.settings.log_level)
        served: ServedModel[Any] = ServedModel(
            self.model, self.log, examples=examples, refresh=refresh, now=lambda: NOW
        )
        times = {"clock": clock} if clock else {}
        self.service = Service(served, self.settings, Metrics(), self.log, **times)

    def ask(
        self, method: str, path: str, body: bytes | Sequence[bytes] = b"", **headers: str
    ) -> Response:
        """Send one request; a sequence of bytes is a body in chunks."""
        return asyncio.run(self.asks(method, path, body, **headers))

    async def asks(
        self, method: str, path: str, body: bytes | Sequence[bytes] = b"", **headers: str
    ) -> Response:
        chunks = [body] if isinstance(body, bytes) else list(body)

        async def receive() -> dict[str, Any]:
            if not chunks:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await self.service(scope(method, path, **headers), receive, send)
        if not sent:
            return Response(0, {}, b"")
        got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Response(
            sent[0]["status"], got, b"".join(each.get("body", b"") for each in sent[1:])
        )
