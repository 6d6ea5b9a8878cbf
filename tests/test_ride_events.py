"""Which events are rides, and which features they have."""

from __future__ import annotations

import json
import math
import tracemalloc
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import ALLOWED, RideFeatures, RideModel
from model_graph import FEATURES
from streaming.errors import InvalidEvent
from tests.bad_json import not_an_event
from tests.lambda_events import ARRIVED, SMALLEST_RIDE, ride
from tests.ride_graphs import built, graph

MODEL = built(duration=graph(times=10), tip=graph(times=0.5))


def features(content: bytes, arrived_at: float = ARRIVED) -> dict[str, float]:
    decoded = MODEL.decode(content, arrived_at)
    assert decoded is not None
    return dict(zip(FEATURES, decoded.values, strict=True))


def error_of(content: bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as raised:
        MODEL.decode(content, ARRIVED)
    return raised.value


def with_field(field: str, literal: str) -> bytes:
    """Return the smallest ride with any text as the JSON value of a field."""
    event = json.loads(ride())
    *path, last = field.split(".")
    (event[path[0]] if path else event)[last] = "VALUE"
    return json.dumps(event).replace('"VALUE"', literal).encode()


def test_the_smallest_valid_event_is_decoded() -> None:
    decoded = MODEL.decode(json.dumps(SMALLEST_RIDE).encode(), ARRIVED)

    assert decoded is not None
    assert decoded.ride_id == 256
    assert decoded.values[:5] == pytest.approx((130, 205, 3.66, 8.25, 5), abs=1e-3)
    assert all(math.isnan(value) for value in decoded.values[5:])


def test_an_event_with_all_fields_and_unknown_ones_is_decoded() -> None:
    event = {
        "event_type": "ride_started",
        "ride_id": "r-256",
        "ride": {
            "PULocationID": 1,
            "DOLocationID": 265,
            "trip_distance": 0,
            "pickup_datetime": "2025-03-02T23:30:00",
            "passenger_count": 1,
            "payment_type": 2,
            "colour": "green",
        },
        "producer": ["a", {"b": None}],
    }

    decoded = MODEL.decode(json.dumps(event).encode(), ARRIVED)

    assert decoded == RideFeatures("r-256", (1, 265, 0.0, 23.5, 6, 1, 2))


@pytest.mark.parametrize("ride_id", [0, -5, 2**63 - 1, -(2**63), "x", "é" * 128, "256"])
def test_a_prediction_has_the_ride_id_of_its_event_and_its_type(ride_id: int | str) -> None:
    decoded = MODEL.decode(ride(ride_id), ARRIVED)

    assert decoded is not None
    (prediction,) = MODEL.predict([decoded])
    assert prediction.value["ride_id"] == ride_id
    assert type(prediction.value["ride_id"]) is type(ride_id)
    assert prediction.partition_key == str(ride_id)


@pytest.mark.parametrize("event_type", ["ride_ended", "", "Ride_started", None, 5, ["x"]])
def test_an_unrecognised_event_type_is_not_decoded(event_type: Any) -> None:
    same_fields = {**SMALLEST_RIDE, "event_type": event_type}
    other_fields = {"event_type": event_type, "ride_id": None, "fare": [1]}

    for event in (same_fields, other_fields):
        assert MODEL.decode(json.dumps(event).encode(), ARRIVED) is None


@pytest.mark.parametrize(
    "spelling", ['"ride_started"', r'"ride\u005fstarted"', r'"%s"' % (r"\u%04x" * 12)]
)
def test_an_event_type_is_recognised_in_any_spelling_of_json(spelling: str) -> None:
    if "%" in spelling:
        spelling %= tuple(map(ord, "ride_started"))
    event = b'{"event_type": %s, ' % spelling.encode() + ride()[1:]

    assert MODEL.decode(event, ARRIVED) is not None
    assert MODEL.decode(event.replace(b"256", b'"256"'), ARRIVED) is not None


@pytest.mark.parametrize("event_type", [b"[" + b"[]," * 10**6 + b"1]", b'"' + b"x" * 10**6 + b'"'])
def test_an_event_type_that_is_not_short_is_not_built(event_type: bytes) -> None:
    events = (b'{"event_type": %s, ' % event_type + ride()[1:], b'{"event_type": %s}' % event_type)
    tracemalloc.start()
    try:
        assert [MODEL.decode(event, ARRIVED) for event in events] == [None, None]
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("event_type", [b'"\\ud800"', b"nul", b'"ride_started'])
def test_an_event_type_that_is_not_json_makes_the_event_invalid(event_type: bytes) -> None:
    error = error_of(b'{"event_type": %s, ' % event_type + ride()[1:])

    assert str(error).startswith("event is ")


@pytest.mark.parametrize("field", ["passenger_count", "payment_type", "pickup_datetime"])
def test_an_optional_field_can_be_null(field: str) -> None:
    assert features(with_field(f"ride.{field}", "null"))["PULocationID"] == 130


INVALID_NUMBERS = ["NaN", "Infinity", "-Infinity", "true", '"5"', "null", "[]", "1e400", "9" * 5000]


@pytest.mark.parametrize(
    ("field", "literals"),
    [
        ("ride.PULocationID", [*INVALID_NUMBERS, "0", "266", "-1", "1.5", "130.0"]),
        ("ride.DOLocationID", [*INVALID_NUMBERS, "0", "266", "-1", "1.5", "130.0"]),
        ("ride.trip_distance", [*INVALID_NUMBERS, "-0.1", "1000.1"]),
        ("ride.passenger_count", ["NaN", "true", '"1"', "-1", "10", "1.5", "9" * 5000]),
        ("ride.payment_type", ["NaN", "true", '"1"', "-1", "7", "1.5", "9" * 5000]),
        ("ride.pickup_datetime", ["5", '""', '"today"', '"2025-03-01"', '"2025-02-30T08:15:00"']),
        ("ride.pickup_datetime", ['"2025-03-01x08:15"']),
        ("ride.pickup_datetime", ['"2025-03-01T08:15:00.' + "1" * 99 + '"']),
        ("ride.pickup_datetime", ['"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"']),
        ("ride_id", ["NaN", "true", '""', '"' + "x" * 129 + '"', "null", "1.5", str(2**63), "[]"]),
        ("ride", ["[]", "5", "null", "NaN", '"ride"']),
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


@pytest.mark.parametrize(
    "field",
    ["ride", "ride_id", "ride.PULocationID", "ride.DOLocationID", "ride.trip_distance"],
)
def test_a_missing_field_fails_with_its_name(field: str) -> None:
    event = json.loads(ride())
    *path, last = field.split(".")
    del (event[path[0]] if path else event)[last]

    error = error_of(json.dumps(event).encode())

    assert str(error) == f"{field} is missing; allowed: {ALLOWED[field]}"


@pytest.mark.parametrize(
    "content",
    [*not_an_event(ride()), b'{"ride_id": "\\ud800", "ride": {}}'],
    ids=lambda content: quote(content[:20]),
)
def test_content_that_is_not_a_json_object_in_utf8_is_invalid(content: bytes) -> None:
    error = error_of(content)

    assert str(error).startswith(("event is ", "ride_id is "))
    assert len(str(error)) < 300


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_decoded_skipped_or_invalid(content: bytes) -> None:
    try:
        MODEL.decode(content, ARRIVED)
    except InvalidEvent as error:
        assert len(str(error)) < 300  # noqa: PT017  any outcome is right


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(max_size=9), child),
    max_leaves=9,
)


@settings(max_examples=500, deadline=None)
@given(field=st.sampled_from(sorted(set(ALLOWED) - {"event"})), value=JSON)
def test_with_any_value_of_a_field_a_ride_is_predicted_skipped_or_invalid(
    field: str, value: Any
) -> None:
    try:
        decoded = MODEL.decode(with_field(field, json.dumps(value)), ARRIVED)
    except InvalidEvent as error:
        assert len(str(error)) < 300  # noqa: PT017  any outcome is right
    else:
        if decoded is not None:
            (prediction,) = MODEL.predict([decoded])
            assert prediction.value["ride_duration"] >= 0


@pytest.mark.parametrize(
    ("pickup", "hour", "weekday"),
    [
        ("2025-03-01T08:15:00", 8.25, 5),
        ("2025-03-01 08:15", 8.25, 5),
        ("20250301T081500", 8.25, 5),
        ("2025-03-01T13:15:00Z", 8.25, 5),
        ("2025-03-01T13:15:00.5+00:00", 8.25, 5),
        ("2025-03-01T22:15:00+09:00", 8.25, 5),
        ("2025-03-03T03:00:00Z", 22.0, 6),
        # On 9 March 2025 clocks go from 01:59:59 EST to 03:00:00 EDT.
        ("2025-03-09T06:59:59Z", 2 - 1 / 3600, 6),
        ("2025-03-09T07:00:00Z", 3.0, 6),
        ("2025-03-09T02:30:00", 2.5, 6),
        # On 2 November 2025 they go from 01:59:59 EDT back to 01:00:00 EST.
        ("2025-11-02T05:59:59Z", 2 - 1 / 3600, 6),
        ("2025-11-02T06:00:00Z", 1.0, 6),
        ("2025-11-02T01:30:00", 1.5, 6),
    ],
)
def test_a_pickup_is_converted_to_new_york_time(pickup: str, hour: float, weekday: int) -> None:
    found = features(ride(pickup_datetime=pickup))

    assert found["hour"] == pytest.approx(hour, abs=1e-3)
    assert found["weekday"] == weekday


@pytest.mark.parametrize(
    ("arrival", "hour", "weekday"),
    [
        ("2025-03-09T06:59:59.999+00:00", 2.0, 6),
        ("2025-03-09T07:00:00.000+00:00", 3.0, 6),
        ("2025-11-02T05:59:59.999+00:00", 2.0, 6),
        ("2025-11-02T06:00:00.000+00:00", 1.0, 6),
        ("2025-01-01T04:59:59.000+00:00", 24 - 1 / 3600, 1),
    ],
)
def test_without_a_pickup_the_arrival_is_converted_to_new_york_time(
    arrival: str, hour: float, weekday: int
) -> None:
    found = features(ride(), datetime.fromisoformat(arrival).timestamp())

    assert found["hour"] == pytest.approx(hour, abs=1e-3)
    assert found["weekday"] == weekday


def test_the_last_millisecond_of_a_day_is_before_hour_24() -> None:
    late = MODEL.decode(ride(), datetime.fromisoformat("2025-03-02T04:59:59.999Z").timestamp())
    hours = []

    def run(inputs: Any) -> Any:
        hours.extend(inputs["hour"].tolist())
        return [inputs["hour"]]

    assert late is not None
    RideModel({"duration": run}, "1").predict([late])

    assert 23.99 < hours[0] < 24
