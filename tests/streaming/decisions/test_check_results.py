"""What becomes of a record of a check's output stream."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import InvalidEvent
from streaming.decisions.check_results import CARRIED_BYTES, LEVELS, RESULT_BYTES, Results
from tests.streaming.decisions.decision_fixtures import (
    POLICY,
    START,
    arrival,
    opening,
    policy,
    result,
)


def decode(content: bytes) -> Any:
    return Results(policy(), lambda: START).decode(content, START)


def test_a_result_is_recognised_by_its_model() -> None:
    found = arrival(result("language", "u1", 0.5))

    assert (found.item, found.check, found.carried) == ("u1", "language", {"uploader": "of u1"})
    assert found.result is not None
    assert found.result.arrived_at == START * 1000 == 1_740_834_900_000


def test_an_opening_event_has_no_result() -> None:
    found = arrival(opening(7))

    assert (found.item, found.check, found.result) == (7, None, None)


@pytest.mark.parametrize("item", [-(2**63), 2**63 - 1])
def test_an_integer_of_64_bits_is_an_item(item: int) -> None:
    assert arrival(result("language", item, 0.5)).item == item


@pytest.mark.parametrize("item", [-(2**63) - 1, 2**63, 10**300])
def test_a_longer_integer_is_none(item: int) -> None:
    """As a partition key of more than 256 digits, no stream would ever accept its decision."""
    content = changed(prediction={"upload_id": item, "abusive": 1})

    with pytest.raises(InvalidEvent, match=r"prediction.upload_id is .*; allowed: a 64-bit"):
        decode(content)


@pytest.mark.parametrize(
    "other",
    [b"{}", b'{"model": "another_model"}', b'{"model": null}', b'{"model": ["language_model"]}'],
)
def test_other_events_are_skipped(other: bytes) -> None:
    assert decode(other) is None


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(result("language", "u1", 0.5)), **changes}).encode()


def nested(levels: int) -> Any:
    """Return lists and objects in each other."""
    value: Any = 1
    for level in range(levels):
        value = {"inner": value} if level % 2 else [value]
    return value


def test_the_most_levels_are_kept() -> None:
    prediction = {"upload_id": 1, "abusive": 1, "x": nested(LEVELS - 1)}

    assert decode(changed(prediction=prediction)).result.prediction == prediction


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(event_id=None), "event_id is null; allowed: a string"),
        (changed(version=1), "version is 1; allowed: a string"),
        (changed(arrived_at="2025-03-01T13:15:00"), "arrived_at is .*; allowed: a date and time"),
        (changed(arrived_at="soon"), 'arrived_at is "soon"; allowed: a date and time'),
        (changed(prediction=[]), "prediction is b'\\[\\]'; allowed: a JSON object"),
        (changed(prediction={"abusive": 1}), "prediction.upload_id is None; allowed: a 64-bit"),
        (changed(prediction={"upload_id": ""}), "prediction.upload_id is ''; allowed: a 64-bit"),
        (changed(prediction={"upload_id": 1}), "prediction.abusive is None; allowed: a number"),
        (
            changed(prediction={"upload_id": 1, "abusive": "1" * RESULT_BYTES}),
            "prediction is '41.. bytes'; allowed: at most 4096 bytes",
        ),
        (
            changed(prediction={"upload_id": 1, "abusive": 1, "uploader": "u" * CARRIED_BYTES}),
            "uploader is '.* bytes'; allowed: at most 1024 bytes",
        ),
        (  # 5 bytes each as they come, 19 as they are stored
            changed(prediction={"upload_id": 1, "abusive": 1, "x": 1}).replace(
                b'"x": 1', b'"x": [' + b"1e15," * 300 + b"1]"
            ),
            "prediction is '57.. bytes'; allowed: at most 4096 bytes",
        ),
        (
            changed(prediction={"upload_id": 1, "abusive": 1, "x": nested(LEVELS)}),
            "prediction is '33 levels or more'; allowed: at most 32 levels of lists and objects",
        ),
        (
            json.dumps(
                {"event_type": "uploaded", "upload_id": 1, "uploader": nested(LEVELS)}
            ).encode(),
            "uploader is '33 levels or more'; allowed: at most 32 levels",
        ),
        (opening("u" * 129), "upload_id is '.*; allowed: a 64-bit integer, or a string of 1"),
        (b"[]", "event is b'\\[\\]'; allowed: a JSON object"),
    ],
)
def test_what_can_never_be_a_result_is_invalid(content: bytes, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message):
        decode(content)


@pytest.mark.parametrize(
    ("equals", "allowed"), [("nude", "a string"), (True, "true or false"), (3, "an integer")]
)
def test_what_a_condition_compares_is_said_in_words(equals: object, allowed: str) -> None:
    when = [{"check": "language", "field": "kind", "equals": equals}]
    of = policy(rules=[{**POLICY["rules"][1], "when": when}])

    with pytest.raises(InvalidEvent, match=rf"^prediction\.kind is None; allowed: {allowed}$"):
        arrival(changed(prediction={"upload_id": 1}), of)


@given(
    st.binary(max_size=64)
    | st.recursive(st.none() | st.text(), st.lists).map(
        lambda value: json.dumps({"model": "language_model", "prediction": value}).encode()
    )
)
def test_any_bytes_are_a_result_or_skipped_or_invalid(content: bytes) -> None:
    with suppress(InvalidEvent):
        assert decode(content) is None
