"""Requests that schemathesis makes from the OpenAPI document, and answers that it describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.serving import serving
from tests.web.thermometers import OTHER_TYPE, Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def document() -> Iterator[Any]:
    with serving(LOG_LEVEL="CRITICAL", REQUEST_SECONDS="60") as server:
        host, port = server.at
        yield schemathesis.openapi.from_url(f"http://{host}:{port}/openapi.json")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_describes(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


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
