"""No more of a dead letter may reach a browser than the function logs of it."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from page.dead_letter_view import KINDS, DeadLetters, logged_reason, preview
from streaming import DeadLetterRecord, InvalidEvent
from streaming.consumer.poison import MESSAGE_LIMIT, model_failure

SECRET = "Xq7payloadXq7"  # noqa: S105  a marker to search for


def dead(error_type: str, error_message: str, data: bytes = b"{}") -> DeadLetterRecord:
    return DeadLetterRecord(
        data=base64.b64encode(data).decode(),
        event_id="shardId-000000000000:1",
        stream="ride_events",
        shard_id="shardId-000000000000",
        sequence_number="1",
        partition_key=SECRET,
        arrived_at="2025-03-01T13:15:00.000Z",
        error_type=error_type,
        error_message=error_message,
    )


def of(error: Exception) -> DeadLetterRecord:
    return dead(type(error).__name__, str(error)[:MESSAGE_LIMIT])


ALLOWED = "an integer from 1 to 265 (a TLC taxi zone)"


@pytest.mark.parametrize(
    "error",
    [
        InvalidEvent("ride.PULocationID", 999, ALLOWED),
        InvalidEvent("ride.PULocationID", SECRET, ALLOWED),
        InvalidEvent("ride.PULocationID", f"x; allowed: {SECRET}", ALLOWED),
        InvalidEvent("ride.PULocationID", f" is {SECRET}; allowed: {SECRET}", ALLOWED),
    ],
)
def test_an_invalid_event_has_the_reason_that_is_logged(error: InvalidEvent) -> None:
    assert logged_reason(of(error)) == f"InvalidEvent: {error.reason}"


@pytest.mark.parametrize(
    ("error_type", "message", "shown"),
    [
        (
            "PredictionFailed",
            f"ValueError: cannot predict {SECRET}",
            "PredictionFailed: ValueError",
        ),
        ("PredictionFailed", f"cannot predict {SECRET}", "PredictionFailed"),
        ("CorruptRecord", f"damaged gzip: {SECRET}", "CorruptRecord"),
        ("InvalidEvent", f"{SECRET} is bad", "InvalidEvent"),
        ("TooOld", f"{SECRET} is 7; allowed: 3", "TooOld"),
        (
            "PredictionTooLarge",
            "1048577 bytes under a partition key of 3 characters",
            "PredictionTooLarge: 1048577 bytes under a partition key of 3 characters",
        ),
        (
            "RetryAttemptsExhausted",
            "function error: discarded by Lambda after 6 invocations",
            "RetryAttemptsExhausted: function error: discarded by Lambda after 6 invocations",
        ),
    ],
)
def test_of_other_errors_only_what_is_no_value_is_shown(
    error_type: str, message: str, shown: str
) -> None:
    assert logged_reason(dead(error_type, message)) == shown


def test_of_a_message_that_was_cut_only_the_type_is_shown() -> None:
    """The text behind the last `allowed` may then be the value's."""
    error = InvalidEvent("f" * 900, f"; allowed: {SECRET}", "a" * 200)

    assert logged_reason(of(error)) == "InvalidEvent"


def test_a_models_exception_is_shown_by_its_type() -> None:
    assert logged_reason(of(model_failure("predict", KeyError(SECRET)))) == (
        "PredictionFailed: KeyError"
    )


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", "0 bytes, not JSON"),
        (SECRET.encode(), "13 bytes, not JSON"),
        (gzip.compress(b"x", mtime=0), "21 bytes, gzip"),
        (b"[1, 2]", "6 bytes, JSON: [2]"),
        (b'"Xq7"', "5 bytes, JSON: text"),
        (b"x" * 20_000, "20,000 bytes"),
        (b"[" * 10_000, "10,000 bytes, not JSON"),
        (
            b'{"ride_id": 1, "ride": {"PULocationID": "Xq7", "Xq7": 1}}',
            "57 bytes, JSON: {ride_id: number, ride: {PULocationID: text, 1 of other names}}",
        ),
    ],
)
def test_a_preview_is_a_size_and_a_structure(data: bytes, shown: str) -> None:
    assert preview(data) == shown


@pytest.mark.parametrize(
    "event",
    [
        SECRET,
        {SECRET: SECRET},
        {"ride_id": {SECRET: SECRET}, "ride": {SECRET: [SECRET]}},
        {"ride": {"PULocationID": {SECRET: 1}, "DOLocationID": [SECRET], "trip_distance": SECRET}},
        {"event_type": SECRET, "ride": {"ride": {"ride": {SECRET: SECRET}}}},
        {"ride": {"PULocationID": {"ride_id": {"ride": SECRET}}}},
    ],
)
def test_no_value_and_no_unknown_name_is_shown(event: Any) -> None:
    letters = DeadLetters()
    letters.add(
        dead("InvalidEvent", f"ride is {SECRET}; allowed: rides", json.dumps(event).encode())
    )

    assert "Xq7" not in json.dumps(letters.shown())


def test_reasons_are_counted_and_the_last_ones_kept() -> None:
    letters = DeadLetters()
    for number in range(10):
        letters.add(of(InvalidEvent("ride_id" if number % 3 else "ride", number, "an id")))

    shown = letters.shown()
    assert shown["reasons"] == [
        ("InvalidEvent: ride_id is not an id", 6),
        ("InvalidEvent: ride is not an id", 4),
    ]
    assert len(shown["last"]) == 4
    assert letters.count == 10


def test_many_kinds_of_reasons_take_no_more_memory() -> None:
    letters = DeadLetters()
    for number in range(1_000):
        letters.add(dead(f"Error{number}", ""))

    reasons = dict(letters.shown()["reasons"])
    assert len(reasons) == KINDS + 1
    assert reasons["other reasons"] == 1_000 - KINDS
