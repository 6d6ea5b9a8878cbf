"""What a user record has, whatever its record lacks, and which invocations are rejected."""

from __future__ import annotations

from typing import Any

import pytest

from streaming.consumer.records import TEXT_CHARACTERS, kinesis_records, stream_name, user_records
from streaming.errors import UnexpectedEvent
from streaming.timestamps import LAST_SECOND
from tests.lambda_events import ARRIVED, SHARD, event, record
from tests.streaming.consumer.read_records import NOW, first


def test_a_user_record_has_its_data_and_its_origin() -> None:
    (user_record,) = user_records([record(b"hello", 42, key="k")], NOW)

    assert user_record.content() == b"hello"
    assert user_record.event_id == f"{SHARD}:42"
    assert user_record.sequence_number == "42"
    assert user_record.partition_key == "k"
    assert user_record.arrived_at == ARRIVED


def test_a_handmade_record_needs_only_its_data() -> None:
    (user_record,) = user_records([{"kinesis": {"data": "aGVsbG8="}}], NOW)

    assert user_record.content() == b"hello"
    assert user_record.event_id is None
    assert user_record.sequence_number is None
    assert user_record.arrived_at == NOW


def test_a_partition_key_can_be_any_text() -> None:
    assert first([record(b"hello", key="é𝄞")]).partition_key == "é𝄞"


@pytest.mark.parametrize("text", ["\ud800", "x" * (TEXT_CHARACTERS + 1), 5, None])
def test_an_invalid_event_id_or_partition_key_counts_as_missing(text: Any) -> None:
    odd = record(b"hello")
    odd["eventID"] = odd["kinesis"]["partitionKey"] = text

    user_record = first([odd])

    assert (user_record.event_id, user_record.partition_key) == (None, None)
    assert user_record.content() == b"hello"


@pytest.mark.parametrize("number", ["12a", "", "9" * 129, "-5", "٣", 5, None])
def test_an_invalid_sequence_number_counts_as_missing(number: Any) -> None:
    odd = record(b"hello")
    odd["kinesis"]["sequenceNumber"] = number

    assert first([odd]).sequence_number is None


def test_the_longest_sequence_number_and_texts_count() -> None:
    longest = record(b"hello")
    longest["kinesis"]["sequenceNumber"] = "9" * 128
    longest["eventID"] = longest["kinesis"]["partitionKey"] = "x" * TEXT_CHARACTERS

    user_record = first([longest])

    assert user_record.sequence_number == "9" * 128
    assert user_record.event_id == user_record.partition_key == "x" * TEXT_CHARACTERS


@pytest.mark.parametrize("arrival", [0, 0.5, 174, LAST_SECOND])
def test_the_first_and_the_last_second_are_arrivals(arrival: float) -> None:
    early = record(b"hello", arrived=arrival)

    assert first([early]).arrived_at == arrival


@pytest.mark.parametrize(
    "arrival",
    [None, "174", float("nan"), -1, 1e300, LAST_SECOND + 0.9999, ARRIVED * 1000, True, [], {}],
)
def test_an_invalid_arrival_is_replaced_by_the_current_time(arrival: Any) -> None:
    odd = record(b"hello")
    odd["kinesis"]["approximateArrivalTimestamp"] = arrival
    malformed = {"kinesis": {"approximateArrivalTimestamp": arrival}}

    for found in (first([odd]), first([malformed])):
        assert (found.arrived_at, found.arrival_known) == (NOW, False)


@pytest.mark.parametrize("arrival", [0, 1740834900, 1740834900.123, LAST_SECOND])
def test_a_valid_arrival_is_known(arrival: float) -> None:
    dated = record(b"hello", arrived=arrival)
    malformed = {"kinesis": {"approximateArrivalTimestamp": arrival}}

    for found in (first([dated]), first([malformed])):
        assert (found.arrived_at, found.arrival_known) == (arrival, True)


@pytest.mark.parametrize("odd", [None, [], "text", {}, {"Records": None}, {"records": []}])
def test_an_invocation_without_records_fails_with_what_was_expected(odd: Any) -> None:
    with pytest.raises(UnexpectedEvent, match="an object with a list Records; got "):
        kinesis_records(odd)


@pytest.mark.parametrize(
    ("odd", "shape"),
    [
        ({"id": 1, "time": 2}, "dict of 2"),
        ({"Records": None}, "dict of 1, with Records"),
        (["Records", 2], "list of 2"),
        ("Records", "str of 7"),
        (None, "NoneType"),
        (5, "int"),
    ],
)
def test_an_invocation_without_records_is_described(odd: Any, shape: str) -> None:
    with pytest.raises(UnexpectedEvent) as raised:
        kinesis_records(odd)

    assert str(raised.value).partition("; got ")[2] == shape


@pytest.mark.parametrize("name", ["eventSource", "EventSource"])
def test_records_from_another_event_source_fail_with_what_was_expected(name: str) -> None:
    with pytest.raises(UnexpectedEvent, match="expected records from aws:kinesis; got aws:sqs"):
        kinesis_records({"Records": [{name: "aws:sqs", "body": "{}"}]})


@pytest.mark.parametrize(
    "odd",
    [{"body": "secret"}, ["secret"], "secret", {"Records": [{"eventSource": "secret: aws:sqs"}]}],
)
def test_an_unexpected_event_is_rejected_without_what_is_in_it(odd: Any) -> None:
    with pytest.raises(UnexpectedEvent) as raised:
        kinesis_records(odd)
    assert "secret" not in str(raised.value)


def test_a_batch_can_be_empty() -> None:
    assert kinesis_records({"Records": []}) == []


def test_the_stream_name_is_read_from_the_arn() -> None:
    records = event(b"")["Records"]
    assert stream_name(records) == "ride_events"

    records[0]["eventSourceARN"] += "/consumer/predictions:1700000000"
    assert stream_name(records) == "ride_events"


@pytest.mark.parametrize(
    "records",
    [
        [],
        [None],
        [{}],
        [{"eventSourceARN": 5}],
        [{"eventSourceARN": "arn:aws:kinesis:r:1:stream/../../etc"}],
        [{"eventSourceARN": "arn:aws:kinesis:r:1:stream/.."}],
    ],
    ids=repr,
)
def test_without_a_valid_arn_the_stream_name_is_unknown(records: list[Any]) -> None:
    assert stream_name(records) is None
