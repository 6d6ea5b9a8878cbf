"""The OpenAPI document, for any model: events are its own matter, and its examples are shown."""

from collections.abc import Sequence
from typing import Any

import msgspec

from web.web_settings import WebSettings

TEXT = {"type": "string"}
NUMBERS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
JSON = "application/json"
TEXT_PLAIN = "text/plain"


def openapi(
    name: str, version: str, examples: Sequence[bytes], settings: WebSettings
) -> dict[str, Any]:
    """Return the document.

    Args:
        name: The model's name.
        version: The model's version.
        examples: Events of the model.
        settings: The service's limits.
    """
    event: dict[str, Any] = {"description": "An event, as producers put it on the stream."}
    shown = _readable(examples)
    if shown:
        event["examples"] = shown
    key: list[Any] = [{"key": []}, {"bearer": []}] if settings.api_key else []
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": version,
            "description": "Predictions of the model that reads the stream, over HTTP: the same "
            "events, the same answers, the same errors.",
        },
        "paths": {
            "/predict": {"post": {**_predict(settings, shown), "security": key}},
            **{
                f"/v2/models/{{name}}{path}": {
                    method: {**described, "parameters": [_parameter("name", name)], "security": key}
                }
                for path, method, described in _inference(settings)
            },
            "/v2": {"get": {**_get("Describe the server", "ServerMetadata"), "security": key}},
            "/v2/health/live": {"get": _get("Whether the process answers", "Health")},
            "/v2/health/ready": {"get": _get("Whether to send requests", "Health", stopping=True)},
            "/livez": {"get": _get("Whether the process answers", "Health")},
            "/readyz": {"get": _get("Whether to send requests", "Health", stopping=True)},
            "/metrics": {
                "get": {
                    "summary": "Metrics, in Prometheus's text format",
                    "responses": {
                        "200": {
                            "description": "Metrics",
                            "content": {TEXT_PLAIN: {"schema": TEXT}},
                        },
                        **_errors(401),
                    },
                    "security": key,
                }
            },
        },
        "components": {
            "schemas": {"Event": event, **_schemas(settings)},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _predict(settings: WebSettings, examples: Sequence[Any]) -> dict[str, Any]:
    named = {f"event {number}": {"value": each} for number, each in enumerate(examples, 1)}
    if examples:
        named["a list"] = {"value": list(examples)}
    return {
        "summary": "Predict an event, or a list of events",
        "description": f"A list has at most {settings.max_events} events and is answered in order: "
        "a bad event fails alone. An event of a type that is not the model's is skipped. The "
        "`event_id` of a prediction is the request's id, with `:index` in a list.",
        "parameters": [
            {
                "name": "X-Request-Id",
                "in": "header",
                "description": "1 to 128 visible ASCII characters; any other is replaced.",
                "schema": TEXT,
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {
                        "anyOf": [
                            _ref("Event"),
                            {
                                "type": "array",
                                "items": _ref("Event"),
                                "maxItems": settings.max_events,
                            },
                        ]
                    },
                    "examples": named,
                }
            },
        },
        "responses": {
            "200": _ok(
                "The prediction, or those of the list",
                {"anyOf": [_ref("Answer"), {"type": "array", "items": _ref("Answer")}]},
            ),
            "422": _ok("The event can never be predicted: a dead letter", _ref("Error")),
            **_errors(401, 408, 413, 429, 503),
        },
    }


def _inference(settings: WebSettings) -> list[tuple[str, str, dict[str, Any]]]:
    infer = {
        "summary": "Predict; the Open Inference Protocol",
        "description": "`predictions` holds, for each event, the JSON that `/predict` answers. A "
        f"number in the predictions can be requested by its name. At most {settings.max_events} "
        "events.",
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": _ref("InferRequest")}},
        },
        "responses": {
            "200": _ok("The outputs", _ref("InferResponse")),
            **_errors(400, 401, 404, 408, 413, 429, 503),
        },
    }
    metadata = _get("Describe the model", "ModelMetadata")
    ready = _get("Whether the model is ready", "ModelReady", stopping=True)
    for each in (metadata, ready):
        each["responses"] |= _errors(404)
    return [("", "get", metadata), ("/ready", "get", ready), ("/infer", "post", infer)]


def _schemas(settings: WebSettings) -> dict[str, Any]:
    tensor = {"name": TEXT, "datatype": TEXT, "shape": NUMBERS}
    described = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {**tensor, "shape": {"type": "array", "items": {"type": "integer"}}},
    }
    events = {
        "type": "object",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": {"const": "events"},
            "datatype": {"const": "BYTES"},
            "shape": {**NUMBERS, "minItems": 1, "maxItems": 2},
            "data": {"type": "array", "items": TEXT, "maxItems": settings.max_events},
        },
    }
    prediction = {
        "event_type": TEXT,
        "event_id": TEXT,
        "model": TEXT,
        "version": TEXT,
        "prediction": {},
        "arrived_at": TEXT,
    }
    return {
        "Answer": {"anyOf": [_ref("Prediction"), _ref("Skipped"), _ref("Error")]},
        "Prediction": _object(prediction),
        "Skipped": _object({"skipped": {"const": True}}),
        "Error": _object({"error_type": TEXT, "error": TEXT}),
        "Health": {"type": "object", "properties": {"live": {"type": "boolean"}}},
        "ServerMetadata": _object(
            {"name": TEXT, "version": TEXT, "extensions": {"type": "array", "items": TEXT}}
        ),
        "ModelReady": _object({"name": TEXT, "ready": {"type": "boolean"}}),
        "ModelMetadata": _object(
            {
                "name": TEXT,
                "versions": {"type": "array", "items": TEXT},
                "platform": TEXT,
                "inputs": {"type": "array", "items": described},
                "outputs": {"type": "array", "items": described},
            }
        ),
        "InferRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": {**TEXT, "minLength": 1, "maxLength": 128, "pattern": "^[ -~]+$"},
                "inputs": {"type": "array", "items": events, "minItems": 1, "maxItems": 1},
                "outputs": {"type": "array", "items": _object({"name": TEXT})},
            },
        },
        "InferResponse": _object(
            {
                "model_name": TEXT,
                "model_version": TEXT,
                "id": TEXT,
                "outputs": {
                    "type": "array",
                    "items": _object({**tensor, "data": {"type": "array"}}),
                },
            }
        ),
    }


WHY = {
    400: "The request is malformed",
    401: "The key is missing or wrong",
    404: "No such model or version",
    408: "The body is too slow",
    413: "The body or the list is too large",
    429: "Too much is waiting: try again after Retry-After",
    503: "The model predicts nothing now, or the service stops",
}


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _ok(WHY[status], _ref("Error")) for status in statuses}


def _get(summary: str, schema: str, *, stopping: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": summary, "responses": {"200": _ok(summary, _ref(schema))}}
    if stopping:
        found["responses"]["503"] = _ok(WHY[503], _ref(schema))
    return found


def _ok(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _parameter(name: str, value: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {**TEXT, "enum": [value]},
    }


def _ref(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _readable(examples: Sequence[bytes]) -> list[Any]:
    found = []
    for example in examples:
        try:
            found.append(msgspec.json.decode(example))
        except msgspec.MsgspecError:
            continue  # an event need not be JSON
    return found
