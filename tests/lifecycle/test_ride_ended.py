"""What a `ride_ended` event may hold, and that the ride function leaves it alone."""

from __future__ import annotations

import json
import tracemalloc
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.ride_ended import ALLOWED, RideEnded, decode_ride_ended, ended_at
from model import load_model
from streaming.errors import InvalidEvent
from tests.bad_json import not_an_event
from tests.lambda_events import SMALLEST_RIDE

ENDED = {
    "event_type": "ride_ended",
    "ride_id": 256,
    "dropoff_datetime": "2025-03-01T08:36:00",
    "tip_amount": 2.5,
    "payment_type": 1,
}
ARRIVED = datetime.fromisoformat("2025-03-01T13:36:05.123Z")


def ended(**changes: Any) -> bytes:
    return json.dumps({**ENDED, **changes}).encode()


def with_field(field: str, literal: str) -> bytes:
    """Return an event with any text as the JSON value of a field."""
    return ended(**{field: "VALUE"}).replace(b'"VALUE"', literal.encode())


def error_of(content: bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as raised:
        decode_ride_ended(content)
    return raised.value


def test_an_event_is_decoded() -> None:
    assert decode_ride_ended(ended(driver="unknown fields are ignored")) == RideEnded(
        "ride_ended", 256, "2025-03-01T08:36:00", 2.5, 1
    )


def test_only_the_type_and_the_id_are_needed() -> None:
    smallest = b'{"event_type": "ride_ended", "ride_id": "r-1"}'

    assert decode_ride_ended(smallest) == RideEnded("ride_ended", "r-1")


@pytest.mark.parametrize("field", ["dropoff_datetime", "tip_amount", "payment_type"])
def test_an_optional_field_can_be_null(field: str) -> None:
    event = decode_ride_ended(ended(**{field: None}))

    assert event is not None
    assert getattr(event, field) is None


@pytest.mark.parametrize(
    "spelling", ['"ride_ended"', r'"ride\u005fended"', r'"%s"' % (r"\u%04x" * 10)]
)
def test_the_type_is_recognised_in_any_spelling_of_json(spelling: str) -> None:
    if "%" in spelling:
        spelling %= tuple(map(ord, "ride_ended"))

    assert decode_ride_ended(with_field("event_type", spelling)) is not None
    assert error_of(with_field("event_type", spelling).replace(b"256", b"null"))


@pytest.mark.parametrize("event_type", ["ride_started", "", "Ride_ended", None, 5, ["ride_ended"]])
def test_an_event_of_another_type_is_not_decoded(event_type: Any) -> None:
    assert decode_ride_ended(ended(event_type=event_type)) is None
    assert decode_ride_ended(ended(event_type=event_type, ride_id=None)) is None


def test_an_event_without_a_type_is_not_decoded() -> None:
    assert decode_ride_ended(json.dumps(SMALLEST_RIDE).encode()) is None


@pytest.mark.parametrize("event_type", [b"[" + b"[]," * 10**6 + b"1]", b'"' + b"x" * 10**6 + b'"'])
def test_a_type_that_is_not_short_is_not_built(event_type: bytes) -> None:
    event = b'{"event_type": %s, "ride_id": null}' % event_type
    tracemalloc.start()
    try:
        assert decode_ride_ended(event) is None
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


INVALID_NUMBERS = ["NaN", "Infinity", "-Infinity", "true", '"5"', "[]", "1e400", "9" * 5000]


@pytest.mark.parametrize(
    ("field", "literals"),
    [
        ("ride_id", ["NaN", "true", '""', '"' + "x" * 129 + '"', "null", "1.5", str(2**63), "[]"]),
        ("tip_amount", [*INVALID_NUMBERS, "-0.01", "1000.01"]),
        ("payment_type", [*INVALID_NUMBERS, "-1", "7", "1.5"]),
        ("dropoff_datetime", ["5", '""', '"today"', '"2025-03-01"', '"2025-02-30T08:15:00"']),
        ("dropoff_datetime", ['"2025-03-01x08:15"', '"2025-03-01T08:15:00.' + "1" * 99 + '"']),
        ("dropoff_datetime", ['"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"']),
        ("dropoff_datetime", ['"9999-12-31T23:59:59"']),
    ],
)
def test_an_invalid_value_is_shown_with_its_field_and_what_is_allowed(
    field: str, literals: list[str]
) -> None:
    for literal in literals:
        error = error_of(with_field(field, literal))

        message = str(error)
        assert message.startswith(f"{field} is ")
        assert literal.strip('"')[:40] in message
        assert message.endswith(f"; allowed: {ALLOWED[field]}")
        assert len(message) < 80 + 120
        assert error.reason == f"{field} is not {ALLOWED[field]}"


def test_a_missing_ride_id_is_named() -> None:
    error = error_of(b'{"event_type": "ride_ended"}')

    assert str(error) == f"ride_id is missing; allowed: {ALLOWED['ride_id']}"


@pytest.mark.parametrize(
    "content",
    [*not_an_event(ended()), b'{"event_type": "ride_ended", "ride_id": "\\ud800"}'],
    ids=lambda content: quote(content[:20]),
)
def test_content_that_is_not_a_json_object_in_utf8_is_invalid(content: bytes) -> None:
    error = error_of(content)

    assert str(error).startswith(("event is ", "ride_id is "))
    assert len(str(error)) < 300


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_decoded_another_type_or_invalid(content: bytes) -> None:
    try:
        decode_ride_ended(content)
    except InvalidEvent as error:
        assert len(str(error)) < 300  # noqa: PT017  any outcome is right


@pytest.mark.parametrize(
    ("dropoff", "instant"),
    [
        ("2025-03-01T08:36:00", "2025-03-01T13:36:00Z"),
        ("2025-03-01 08:36", "2025-03-01T13:36:00Z"),
        ("2025-07-01T08:36:00", "2025-07-01T12:36:00Z"),
        ("2025-03-01T13:36:00.5Z", "2025-03-01T13:36:00.5Z"),
        ("2025-03-01T22:36:00+09:00", "2025-03-01T13:36:00Z"),
        # On 9 March 2025 clocks go from 01:59:59 EST to 03:00:00 EDT.
        ("2025-03-09T03:00:00", "2025-03-09T07:00:00Z"),
        ("2025-03-09T02:30:00", "2025-03-09T07:30:00Z"),
        # On 2 November 2025 they go from 01:59:59 EDT back to 01:00:00 EST.
        ("2025-11-02T01:30:00", "2025-11-02T05:30:00Z"),
        ("2025-11-02T02:00:00", "2025-11-02T07:00:00Z"),
    ],
)
def test_a_dropoff_without_an_offset_is_new_york_time(dropoff: str, instant: str) -> None:
    event = decode_ride_ended(ended(dropoff_datetime=dropoff))

    assert event is not None
    assert ended_at(event, ARRIVED) == datetime.fromisoformat(instant)


def test_without_a_dropoff_the_ride_ended_when_the_event_arrived() -> None:
    event = decode_ride_ended(ended(dropoff_datetime=None))

    assert event is not None
    assert ended_at(event, ARRIVED) == ARRIVED


@pytest.mark.rides
@pytest.mark.parametrize("content", [ended(), b'{"event_type": "ride_ended", "ride_id": null}'])
def test_the_ride_function_skips_it(content: bytes) -> None:
    assert load_model({}, dict).decode(content, ARRIVED.timestamp()) is None
