from __future__ import annotations

import base64

import msgspec
import pytest

from streaming.consumer.poison import (
    MESSAGE_LIMIT,
    dead_letter_record,
    model_failure,
    unacceptable,
)
from streaming.consumer.records import user_records
from streaming.errors import InvalidEvent, Poison, PredictionFailed, PredictionTooLarge
from tests.kpl_aggregation import aggregate, field
from tests.lambda_events import SHARD, record

ERROR = InvalidEvent("ride_id", "", "a string of 1 to 128 characters")


def test_a_dead_letter_record_holds_the_data_its_origin_and_the_reason() -> None:
    (user_record,) = user_records([record(b"\xff\x00bad", 42, key="k")], 0.0)

    assert msgspec.structs.asdict(dead_letter_record(user_record, "ride_events", ERROR)) == {
        "data": base64.b64encode(b"\xff\x00bad").decode(),
        "event_id": f"{SHARD}:42",
        "stream": "ride_events",
        "shard_id": SHARD,
        "sequence_number": "42",
        "partition_key": "k",
        "arrived_at": "2025-03-01T13:15:00.123Z",
        "error_type": "InvalidEvent",
        "error_message": "ride_id is ''; allowed: a string of 1 to 128 characters",
        "explicit_hash_key": None,
    }


def test_a_dead_letter_record_keeps_an_explicit_hash_key() -> None:
    placed = field(3, field(1, 0) + field(2, 0) + field(3, b"bad"))
    data = aggregate(field(1, b"k") + field(2, b"170") + placed)
    (user_record,) = user_records([record(data)], 0.0)

    assert dead_letter_record(user_record, "ride_events", ERROR).explicit_hash_key == "170"


@pytest.mark.parametrize(
    ("key", "size", "error"),
    [
        ("", 5, PredictionFailed("a partition key of 0 characters; allowed: 1 to 256")),
        ("k" * 257, 5, PredictionFailed("a partition key of 257 characters; allowed: 1 to 256")),
        (
            "k" * 256,
            2**20,
            PredictionTooLarge("1048832 bytes under a partition key of 256 characters"),
        ),
        ("é", 2**20, PredictionTooLarge("1048578 bytes under a partition key of 1 characters")),
    ],
)
def test_an_unacceptable_entry_fails_for_its_key_or_for_its_size(
    key: str, size: int, error: Poison
) -> None:
    found = unacceptable({"Data": bytes(size), "PartitionKey": key})

    assert (type(found), str(found)) == (type(error), str(error))


def test_an_entry_of_an_aggregated_record_names_its_shard() -> None:
    data = aggregate(field(1, b"k") + field(3, field(1, 0) + field(3, b"bad")))
    (user_record,) = user_records([record(data, 42)], 0.0)

    kept = dead_letter_record(user_record, "ride_events", ERROR)

    assert (kept.event_id, kept.shard_id) == (f"{SHARD}:42:0", SHARD)


def test_the_reason_for_a_failure_of_the_model_names_the_step_and_quotes_no_message() -> None:
    found = model_failure("predict", ValueError("Eve's address"))

    assert type(found) is PredictionFailed
    assert str(found) == "ValueError: Eve's address"
    assert found.reason == "predict raised ValueError"


def test_an_exception_of_the_model_is_a_failure_although_it_has_a_reason() -> None:
    class Unreachable(Exception):
        reason = "Eve's address"

    assert model_failure("predict", Unreachable("no route")).reason == "predict raised Unreachable"


def test_an_exception_without_a_message_is_named_by_what_its_message_raises() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise LookupError

    found = model_failure("decode", Unprintable())

    assert str(found) == "Unprintable: without a message: LookupError"


def test_a_message_that_is_too_long_or_not_utf8_is_cut_and_escaped() -> None:
    (user_record,) = user_records([record(b"bad")], 0.0)

    kept = dead_letter_record(user_record, "ride_events", PredictionFailed("\ud800" + "x" * 5000))

    assert kept.error_message == "\\ud800" + "x" * (MESSAGE_LIMIT - 1)
