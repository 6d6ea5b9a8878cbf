"""Requests that schemathesis makes from the OpenAPI document, and answers that it describes."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.serving import serving
from tests.web.thermometers import OTHER_TYPE, Asked

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_every_answer_is_one_that_the_document_describes() -> None:
    asked: set[str] = set()
    with serving(REQUEST_SECONDS="60") as server:
        host, port = server.at
        document = schemathesis.openapi.from_url(f"http://{host}:{port}/openapi.json")
        for found in document.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]  # an error would fail, too

            @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy())
            def each(case: Any) -> None:
                asked.add(case.operation.label)
                case.call_and_validate(checks=CHECKS)

            each()

    assert {"POST /predict", "POST /v2/models/{name}/infer", "GET /readyz"} <= asked


def test_examples_of_the_model_are_shown_and_answered() -> None:
    asked = Asked()
    body = asked.ask("GET", "/openapi.json").json["paths"]["/predict"]["post"]["requestBody"]

    examples = body["content"]["application/json"]["examples"]

    assert examples["event 1"] == {"value": {"machine": "m1", "celsius": 95.5}}
    assert set(examples) == {"event 1", "a list"}


def test_a_model_without_examples_or_of_binary_events_has_a_document() -> None:
    for examples in ((), (b"\xff\xfe", OTHER_TYPE[:-1])):
        document = Asked(examples=examples).ask("GET", "/openapi.json").json

        assert document["components"]["schemas"]["Event"].keys() == {"description"}


def test_the_document_says_whether_a_key_is_needed() -> None:
    without = Asked().ask("GET", "/openapi.json").json["paths"]
    with_key = Asked(api_key="k" * 16).ask("GET", "/openapi.json").json["paths"]

    assert without["/predict"]["post"]["security"] == []
    assert with_key["/predict"]["post"]["security"] == [{"key": []}, {"bearer": []}]
