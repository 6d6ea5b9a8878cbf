from __future__ import annotations

import gc
import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.aggregation import AGGREGATE_MAGIC
from streaming.consumer.records import (
    DECOMPRESSED_LIMIT,
    LAST_SECOND,
    TEXT_CHARACTERS,
    UserRecord,
    gunzip,
    kinesis_records,
    stream_name,
    user_records,
)
from streaming.errors import CorruptRecord, UnexpectedEvent
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import ARRIVED, SHARD, event, record

NOW = 1_800_000_000.0


def contents(*data: bytes) -> list[bytes]:
    return [payload.content() for payload in user_records(event(*data)["Records"], NOW)]


def first(records: list[Any]) -> UserRecord:
    return next(user_records(records, NOW))


def only_flaw(data: bytes) -> str:
    (payload,) = user_records([record(data)], NOW)
    with pytest.raises(CorruptRecord) as raised:
        payload.content()
    assert payload.data == data
    return str(raised.value)


def test_a_plain_payload_comes_with_where_it_came_from() -> None:
    (payload,) = user_records([record(b"hello", 42, key="k")], NOW)

    assert payload.content() == b"hello"
    assert payload.event_id == f"{SHARD}:42"
    assert payload.sequence_number == "42"
    assert payload.partition_key == "k"
    assert payload.arrived_at == ARRIVED


def test_a_gzipped_payload_is_unpacked_and_kept_as_it_came() -> None:
    packed = gzip.compress(b"hello")

    (payload,) = user_records([record(packed)], NOW)

    assert payload.content() == b"hello"
    assert payload.data == packed


def test_gzip_of_several_members_is_one_payload() -> None:
    assert gunzip(gzip.compress(b"one, ") + gzip.compress(b"two")) == b"one, two"


@pytest.mark.parametrize(
    "damage",
    [
        gzip.compress(b"hello" * 99)[:-9],
        gzip.compress(b"hello")[:-8] + b"\0" * 8,
        b"\x1f\x8b",
        b"\x1f\x8bnot really",
        gzip.compress(b"hello" * 99)[:12] + b"\xff" * 20,
    ],
    ids=["cut short", "wrong checksum", "magic only", "no gzip", "broken inside"],
)
def test_damaged_gzip_is_corrupt(damage: bytes) -> None:
    assert "damaged gzip" in only_flaw(damage)


def test_a_gzip_bomb_is_corrupt() -> None:
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1024 * 1024)
    bomb = b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()

    assert f"more than {DECOMPRESSED_LIMIT} bytes" in only_flaw(bomb)


@pytest.mark.parametrize("text", ["not base64!", "YQ", "YQ==YQ==", "Yé=="])
def test_what_is_not_base64_is_corrupt_and_kept_as_its_text(text: str) -> None:
    broken = record(b"")
    broken["kinesis"]["data"] = text

    (payload,) = user_records([broken], NOW)

    assert payload.data == text.encode()
    with pytest.raises(CorruptRecord, match="not base64"):
        payload.content()


@pytest.mark.parametrize(
    "broken",
    [None, 5, "text", [], {}, {"kinesis": None}, {"kinesis": []}, {"kinesis": {"data": 5}}],
    ids=repr,
)
def test_a_record_of_another_shape_is_corrupt_and_kept_as_json(broken: Any) -> None:
    good = record(b"hello")

    corrupt, intact = user_records([broken, good], NOW)

    with pytest.raises(CorruptRecord, match=r"no text under kinesis\.data"):
        corrupt.content()
    assert json.loads(corrupt.data) == broken
    assert corrupt.arrived_at == NOW
    assert intact.content() == b"hello"


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "broken",
    ["\ud800", {"kinesis": {"data": None, "more": 2**70}}, {"kinesis": nested(100_000)}, b"bytes"],
    ids=["half a character", "a large number", "deeply nested", "no JSON"],
)
def test_a_record_of_another_shape_is_kept_whatever_is_in_it(broken: Any) -> None:
    payload = first([broken])

    assert payload.data
    with pytest.raises(CorruptRecord, match=r"no text under kinesis\.data"):
        payload.content()


def test_a_misshapen_record_keeps_what_it_does_say() -> None:
    broken = record(b"", 7)
    broken["kinesis"]["data"] = None

    (payload,) = user_records([broken], NOW)

    assert (payload.event_id, payload.sequence_number) == (f"{SHARD}:7", "7")


def test_a_hand_made_record_needs_nothing_but_its_data() -> None:
    (payload,) = user_records([{"kinesis": {"data": "aGVsbG8="}}], NOW)

    assert payload.content() == b"hello"
    assert payload.event_id is None
    assert payload.sequence_number is None
    assert payload.arrived_at == NOW


def test_a_partition_key_may_be_any_text() -> None:
    assert first([record(b"hello", key="é𝄞")]).partition_key == "é𝄞"


@pytest.mark.parametrize("text", ["\ud800", "x" * (TEXT_CHARACTERS + 1), 5, None])
def test_an_id_or_a_key_that_cannot_be_written_down_counts_as_not_given(text: Any) -> None:
    odd = record(b"hello")
    odd["eventID"] = odd["kinesis"]["partitionKey"] = text

    payload = first([odd])

    assert (payload.event_id, payload.partition_key) == (None, None)
    assert payload.content() == b"hello"


@pytest.mark.parametrize("number", ["12a", "", "9" * 129, "-5", "٣", 5, None])
def test_a_sequence_number_that_is_none_counts_as_not_given(number: Any) -> None:
    odd = record(b"hello")
    odd["kinesis"]["sequenceNumber"] = number

    assert first([odd]).sequence_number is None


@pytest.mark.parametrize("arrival", [None, "174", float("nan"), -1, 1e300, LAST_SECOND + 0.9999])
def test_an_arrival_that_no_date_can_hold_is_now(arrival: Any) -> None:
    odd = record(b"hello")
    odd["kinesis"]["approximateArrivalTimestamp"] = arrival

    assert first([odd]).arrived_at == NOW


def test_the_entries_of_an_aggregate_are_told_apart_by_their_index() -> None:
    message = field(1, b"a") + field(1, b"b") + entry(b"one", 1) + entry(b"two", 0)

    found = user_records([record(aggregate(message), 42), record(b"plain", 43)], NOW)

    assert [(p.content(), p.event_id, p.sequence_number, p.partition_key) for p in found] == [
        (b"one", f"{SHARD}:42:0", "42", "b"),
        (b"two", f"{SHARD}:42:1", "42", "a"),
        (b"plain", f"{SHARD}:43", "43", "key"),
    ]


def test_an_entry_of_an_aggregate_without_an_event_id_has_none() -> None:
    hand_made = record(aggregate(field(1, b"a") + entry(b"one")))
    del hand_made["eventID"]

    assert first([hand_made]).event_id is None


def test_a_bad_entry_of_an_aggregate_is_known_by_its_index() -> None:
    message = field(1, b"a") + entry(b"one") + field(3, b"\x0b") + entry(b"two")

    one, broken, two = user_records([record(aggregate(message), 42)], NOW)

    assert (one.content(), two.content()) == (b"one", b"two")
    assert (broken.event_id, broken.data) == (f"{SHARD}:42:1", b"\x0b")
    with pytest.raises(CorruptRecord, match="wire type 3"):
        broken.content()


def test_a_damaged_aggregate_is_one_corrupt_record() -> None:
    assert "checksum" in only_flaw(AGGREGATE_MAGIC + b"short")


def test_gzip_inside_an_aggregate_is_unpacked() -> None:
    assert contents(aggregate(field(1, b"a") + entry(gzip.compress(b"hello")))) == [b"hello"]


@pytest.mark.parametrize("kind", ["gzip", "base64", "aggregate", "entry"])
def test_a_corrupt_record_leaves_nothing_behind(kind: str) -> None:
    broken = {
        "gzip": record(b"\x1f\x8bnone"),
        "base64": {"kinesis": {"data": "?"}},
        "aggregate": record(AGGREGATE_MAGIC + b"none"),
        "entry": record(aggregate(field(3, b""))),
    }[kind]

    def read() -> None:
        with pytest.raises(CorruptRecord):
            first([broken]).content()

    def left_behind() -> int:
        gc.collect()
        return sum(type(thing) is CorruptRecord for thing in gc.get_objects())

    before = left_behind()
    for _ in range(5):
        read()

    assert left_behind() == before


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_the_bytes_a_record_is_read_or_corrupt(data: bytes) -> None:
    for framed in (data, AGGREGATE_MAGIC + data, b"\x1f\x8b" + data, aggregate(data)):
        for payload in user_records([record(framed)], NOW):
            try:
                payload.content()
            except CorruptRecord as error:
                assert error.reason  # noqa: PT017  either outcome is right


@pytest.mark.parametrize("odd", [None, [], "text", {}, {"Records": None}, {"records": []}])
def test_an_invocation_without_records_says_what_was_expected(odd: Any) -> None:
    with pytest.raises(UnexpectedEvent, match="an object with a list Records; got "):
        kinesis_records(odd)


@pytest.mark.parametrize("name", ["eventSource", "EventSource"])
def test_records_of_another_source_say_what_was_expected(name: str) -> None:
    with pytest.raises(UnexpectedEvent, match="expected records from aws:kinesis; got 'aws:sqs'"):
        kinesis_records({"Records": [{name: "aws:sqs", "body": "{}"}]})


def test_an_empty_batch_is_a_batch() -> None:
    assert kinesis_records({"Records": []}) == []


def test_the_stream_is_named_by_the_arn() -> None:
    assert stream_name(event(b"")["Records"]) == "ride_events"


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
def test_a_stream_that_is_not_named_in_awss_form_is_unknown(records: list[Any]) -> None:
    assert stream_name(records) is None
