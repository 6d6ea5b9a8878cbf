"""The Open Inference Protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.web.thermometers import GOOD, OTHER_TYPE, Asked

ASKED = Asked()
INFER = "/v2/models/alarm_model/infer"
HOT = GOOD.decode()


def request(data: list[Any], **changes: Any) -> bytes:
    events = {"name": "events", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return json.dumps({"id": "42", "inputs": [{**events, **changes}]}).encode()


def infer(body: bytes, path: str = INFER, asked: Asked = ASKED) -> Any:
    return asked.ask("POST", path, body, x_request_id="outer")


def test_events_are_answered_with_what_predict_answers() -> None:
    found = infer(request([HOT, "5", OTHER_TYPE.decode()]))

    assert found.status == 200
    assert found.headers["x-request-id"] == "outer"
    assert (found.json["model_name"], found.json["model_version"]) == ("alarm_model", "1")
    assert found.json["id"] == "42"
    (output,) = found.json["outputs"]
    data = [json.loads(text) for text in output.pop("data")]
    assert output == {"name": "predictions", "datatype": "BYTES", "shape": [3]}
    assert data[0]["event_id"] == "42:0"
    assert data[0]["prediction"] == {"machine": "m1", "kelvin": 368.65}
    assert data[1]["error"] == "event is b'5'; allowed: a JSON object"
    assert data[2] == {"skipped": True}


def test_a_number_of_the_predictions_can_be_requested_by_its_name() -> None:
    body = json.loads(request([HOT, HOT]))
    body["outputs"] = [{"name": "kelvin"}]

    found = infer(json.dumps(body).encode())

    expected = {"name": "kelvin", "datatype": "FP64", "shape": [2], "data": [368.65, 368.65]}
    assert found.json["outputs"] == [expected]


@pytest.mark.parametrize("name", ["kelvin", "predictions"])
def test_an_output_is_requested_once_so_that_it_does_not_multiply_the_answer(name: str) -> None:
    body = json.loads(request([HOT]))
    body["outputs"] = [{"name": name}] * 2

    found = infer(json.dumps(body).encode())

    assert (found.status, found.json["error"]) == (
        400,
        "outputs name one twice; allowed: each once",
    )


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("machine", [HOT], "the output 'machine' is no number in the prediction of events[0]"),
        ("other", [HOT], "the output 'other' is no number in the prediction of events[0]"),
        ("kelvin", [HOT, "5"], "events[1] was not predicted: the output predictions says why"),
    ],
)
def test_an_output_that_cannot_be_is_refused(name: str, data: list[str], error: str) -> None:
    body = json.loads(request(data))
    body["outputs"] = [{"name": name}]

    found = infer(json.dumps(body).encode())

    assert (found.status, found.json["error"]) == (400, error)


def test_no_id_is_the_requests() -> None:
    body = json.loads(request([HOT]))
    del body["id"]

    assert infer(json.dumps(body).encode()).json["id"] == "outer"


@pytest.mark.parametrize(("data", "shape"), [([[HOT], [HOT]], [2, 1]), ([HOT, HOT], [2, 1])])
def test_data_may_be_nested(data: list[Any], shape: list[int]) -> None:
    found = infer(request(data, shape=shape))

    assert found.json["outputs"][0]["shape"] == [2]


def test_no_event_is_no_error() -> None:
    assert infer(request([])).json["outputs"][0]["data"] == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "the request cannot be read: it is no JSON"),
        (b"[" * 50_000, "the request cannot be read"),
        (b"{}", "the request cannot be read: Object missing required field `inputs`"),
        (b'{"inputs": []}', "inputs are []; allowed: one, events"),
        (request([HOT], name="rides"), "inputs are ['rides']; allowed: one, events"),
        (request([HOT], datatype="FP32"), "the datatype of events is 'FP32'; allowed: BYTES"),
        (request([HOT], shape=[2]), "the shape of events is [2]; allowed: [1] or [1, 1]"),
        (request([HOT], shape=[]), "the shape of events is []; allowed: [1]"),
        (request([HOT], shape=[-1, -1]), "the shape of events is [-1, -1]; allowed: [1]"),
        (request([5]), "events[0] is of type int; allowed: the text of an event"),
        (request([[HOT], HOT]), "the data of events is partly nested; allowed: all or nothing"),
        (request(["\ud800"]), "the request cannot be read"),
        (request([HOT]).replace(b'"42"', b'""'), "id is ''; allowed: 1 to 128 characters"),
    ],
)
def test_a_malformed_request_is_an_error_in_the_protocols_shape(body: bytes, error: str) -> None:
    found = infer(body)

    assert found.status == 400
    assert found.json["error"].startswith(error)


def test_the_binary_extension_is_refused() -> None:
    found = ASKED.ask("POST", INFER, request([HOT]), inference_header_content_length="7")

    assert (found.status, found.json["error_type"]) == (400, "InvalidRequest")


def test_limits_hold_here_too() -> None:
    asked = Asked(max_events=1, max_body_bytes=2_000)

    assert infer(request([HOT, HOT]), asked=asked).status == 413
    assert infer(request([HOT * 100]), asked=asked).status == 413


@pytest.mark.parametrize(
    "path", ["/v2/models/other/infer", "/v2/models/alarm_model/versions/2/infer"]
)
def test_another_model_or_version_is_not_found(path: str) -> None:
    found = infer(request([HOT]), path)

    assert found.status == 404
    assert found.json["error"] == "no such model or version; allowed: alarm_model, 1"
    assert ASKED.ask("GET", path.removesuffix("/infer")).status == 404
    assert ASKED.ask("GET", path.removesuffix("infer") + "ready").status == 404


def test_the_version_may_be_named() -> None:
    assert infer(request([HOT]), "/v2/models/alarm_model/versions/1/infer").status == 200


def test_metadata_describes_server_and_model() -> None:
    assert ASKED.ask("GET", "/v2").json == {"name": "predictions", "version": "1", "extensions": []}
    assert ASKED.ask("GET", "/v2/health/live").json["live"] is True
    ready = ASKED.ask("GET", "/v2/models/alarm_model/versions/1/ready")
    assert ready.json == {"name": "alarm_model", "ready": True}
    assert ASKED.ask("GET", "/v2/models/alarm_model").json == {
        "name": "alarm_model",
        "versions": ["1"],
        "platform": "python",
        "inputs": [{"name": "events", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "predictions", "datatype": "BYTES", "shape": [-1]},
            {"name": "kelvin", "datatype": "FP64", "shape": [-1]},
        ],
    }
