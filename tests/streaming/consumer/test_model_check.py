from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streaming.consumer.interface import Prediction
from streaming.consumer.model_check import (
    check_count,
    check_members,
    check_predictions,
    encoded_values,
)
from streaming.errors import InvalidModel, PredictionFailed, excerpt

MEMBERS: dict[str, Any] = {
    "name": "alarms",
    "version": "1",
    "event_type": "alarm_predicted",
    "decode": lambda content, _arrived_at: content,
    "predict": list,
}
KEYS = "allowed: a string of 1 to 256 characters"


def test_a_model_with_every_member_passes() -> None:
    check_members(SimpleNamespace(**MEMBERS))


@pytest.mark.parametrize("name", MEMBERS)
def test_a_missing_member_is_named(name: str) -> None:
    model = SimpleNamespace(**{key: value for key, value in MEMBERS.items() if key != name})

    allowed = "a method" if callable(MEMBERS[name]) else "a string"
    with pytest.raises(
        InvalidModel, match=rf"^SimpleNamespace\.{name} is missing; allowed: {allowed}$"
    ):
        check_members(model)


@pytest.mark.parametrize(
    ("name", "value"), [("name", ""), ("version", 1), ("event_type", None), ("predict", "yes")]
)
def test_a_member_of_the_wrong_type_is_named_with_its_value(name: str, value: object) -> None:
    with pytest.raises(InvalidModel, match=rf"\.{name} is {value!r}; allowed: a "):
        check_members(SimpleNamespace(**{**MEMBERS, name: value}))


def test_a_model_with_every_optional_member_passes() -> None:
    optional = {"binary_data": True, "output_stream": "al-arms", "metrics_namespace": "Al arms/1"}
    check_members(SimpleNamespace(**MEMBERS, **optional))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("output_stream", "al arms", "1 to 128 letters, digits, and any of _.-"),
        ("output_stream", None, "1 to 128 letters, digits, and any of _.-"),
        ("output_stream", "", "1 to 128 letters, digits, and any of _.-"),
        ("metrics_namespace", 7, "1 to 255 printable ASCII characters"),
        ("metrics_namespace", " ", "1 to 255 printable ASCII characters"),
        ("metrics_namespace", "x" * 256, "1 to 255 printable ASCII characters"),
        ("binary_data", "no", "True or False"),
    ],
)
def test_an_optional_member_that_cannot_work_is_named_with_its_value(
    name: str, value: object, allowed: str
) -> None:
    with pytest.raises(
        InvalidModel, match=rf"^SimpleNamespace\.{name} is {excerpt(value)}; allowed: {allowed}"
    ):
        check_members(SimpleNamespace(**MEMBERS, **{name: value}))


def test_a_load_model_that_forgets_to_return_is_named() -> None:
    with pytest.raises(InvalidModel, match=r"^load_model returned None; it must return the model$"):
        check_members(None)


def test_as_many_predictions_as_events_pass() -> None:
    check_count([], 0)
    check_count([Prediction("k", 1)] * 2, 2)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([1], "predict returned 1 predictions for 2 events"),
        ([1, 2, 3], "predict returned 3 predictions for 2 events"),
        (None, "predict returned a NoneType; allowed: a list"),
        (iter([1, 2]), "predict returned a list_iterator; allowed: a list"),
    ],
)
def test_a_wrong_count_is_named(predictions: Any, message: str) -> None:
    with pytest.raises(PredictionFailed) as raised:
        check_count(predictions, 2)

    assert str(raised.value) == raised.value.reason == message


@pytest.mark.parametrize("text", ["one", "\N{ONCOMING TAXI}"])
def test_values_are_encoded_once_unless_one_is_or_holds_null(text: str) -> None:
    values: list[Any] = [{"x": [1, 2.5]}, text, msgspec.Raw(b"[ 7 ]")]
    encoded = [b'{"x":[1,2.5]}', f'"{text}"'.encode(), b"[ 7 ]"]

    found = encoded_values([Prediction("k", value) for value in values])

    assert [(type(each), bytes(each)) for each in found] == [
        (msgspec.Raw, each) for each in encoded
    ]
    with_null = [*values, {"x": None}]
    assert encoded_values([Prediction("k", value) for value in with_null]) == with_null


def test_predictions_that_json_has_pass() -> None:
    values: list[Any] = [None, {"x": [1, 2.5, None]}, Prediction("k", (1.0,)), "NaN", 10**30]

    check_predictions([Prediction("é" if value else "k", value) for value in values])


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        ("alarm", "predict returned a str; allowed: Prediction"),
        (SimpleNamespace(partition_key="k"), "predict returned a SimpleNamespace; allowed: "),
        (SimpleNamespace(value=1), "predict returned a SimpleNamespace; allowed: Prediction"),
        (Prediction(7, 1), f"Prediction.partition_key is of type int; {KEYS}"),  # type: ignore[arg-type]
        (Prediction("", 1), f"Prediction.partition_key is empty; {KEYS}"),
        (Prediction("\ud800", 1), f"Prediction.partition_key is no Unicode text; {KEYS}"),
        (Prediction("k", object()), "Prediction.value is no JSON"),
        (Prediction("k", {1.5: "\ud800"}), "Prediction.value is no JSON"),
        (Prediction("k", float("nan")), "Prediction.value holds NaN or infinity"),
        (Prediction("k", {"a": [1, {"b": float("inf")}]}), "Prediction.value holds NaN"),
        (Prediction("k", (1.0, float("-inf"))), "Prediction.value holds NaN"),
        (Prediction("k", Prediction("k", float("nan"))), "Prediction.value holds NaN"),
    ],
)
def test_a_prediction_that_cannot_be_published_is_named_by_its_member(
    prediction: Any, reason: str
) -> None:
    with pytest.raises(PredictionFailed) as raised:
        check_predictions([Prediction("k", 1), prediction])

    assert raised.value.reason.startswith(reason)
    assert str(raised.value).startswith(reason)


def test_the_reason_for_a_value_that_is_no_json_does_not_quote_it() -> None:
    with pytest.raises(
        PredictionFailed, match=r"^Prediction\.value is no JSON: .*object"
    ) as raised:
        check_predictions([Prediction("k", object())])

    assert raised.value.reason == "Prediction.value is no JSON"
