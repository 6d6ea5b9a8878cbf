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
    TEXT_CHARACTERS,
    UserRecord,
    gunzip,
    kinesis_records,
    stream_name,
    user_records,
)
from streaming.errors import CorruptRecord, UnexpectedEvent
from streaming.timestamps import LAST_SECOND
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import ARRIVED, SHARD, event, record

NOW = 1_800_000_000.0


def contents(*data: bytes) -> list[bytes]:
    return [user_record.content() for user_record in user_records(event(*data)["Records"], NOW)]


def first(records: list[Any]) -> UserRecord:
    return next(user_records(records, NOW))


def decode_error(data: bytes) -> str:
    (user_record,) = user_records([record(data)], NOW)
    with pytest.raises(CorruptRecord) as raised:
        user_record.content()
    assert user_record.data == data
    return str(raised.value)


def test_a_user_record_has_its_data_and_its_origin() -> None:
    (user_record,) = user_records([record(b"hello", 42, key="k")], NOW)

    assert user_record.content() == b"hello"
    assert user_record.event_id == f"{SHARD}:42"
    assert user_record.sequence_number == "42"
    assert user_record.partition_key == "k"
    assert user_record.arrived_at == ARRIVED


def test_a_gzipped_user_record_is_decompressed_but_its_data_kept_as_received() -> None:
    packed = gzip.compress(b"hello")

    (user_record,) = user_records([record(packed)], NOW)

    assert user_record.content() == b"hello"
    assert user_record.data == packed


def test_gzip_of_several_members_is_decompressed_as_a_whole() -> None:
    assert gunzip(gzip.compress(b"one, ") + gzip.compress(b"two")) == b"one, two"


def test_gzip_may_be_padded_with_zeros_and_its_members_may_be_empty() -> None:
    one, nothing = gzip.compress(b"one"), gzip.compress(b"")

    assert gunzip(nothing + one + bytes(9) + nothing + bytes(3)) == b"one"


def test_gzip_of_many_members_is_limited_as_a_whole() -> None:
    members = gzip.compress(bytes(DECOMPRESSED_LIMIT // 4)) * 4

    assert len(gunzip(members)) == DECOMPRESSED_LIMIT
    assert "more than" in decode_error(members + gzip.compress(b"x"))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=99), cut=st.integers(0, 120), members=st.integers(1, 3))
def test_gzip_is_read_as_pythons_own_module_reads_it(data: bytes, cut: int, members: int) -> None:
    packed = (gzip.compress(data) * members)[: cut + 2]
    try:
        expected = gzip.decompress(packed)
    except (EOFError, OSError, zlib.error):
        with pytest.raises(CorruptRecord, match="damaged gzip"):
            gunzip(packed)
    else:
        assert gunzip(packed) == expected


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(b"hello" * 99)[:-9],
        gzip.compress(b"hello") + b"more",
        gzip.compress(b"hello")[:-8] + b"\0" * 8,
        b"\x1f\x8b",
        b"\x1f\x8bnot really",
        gzip.compress(b"hello" * 99)[:12] + b"\xff" * 20,
    ],
    ids=[
        "truncated",
        "more behind it",
        "wrong checksum",
        "magic only",
        "not gzip",
        "damaged inside",
    ],
)
def test_damaged_gzip_is_corrupt(damaged: bytes) -> None:
    assert "damaged gzip" in decode_error(damaged)


def test_the_reason_for_damaged_gzip_quotes_nothing() -> None:
    with pytest.raises(CorruptRecord) as raised:
        gunzip(b"\x1f\x8bsecret")

    assert raised.value.reason == "damaged gzip"


def test_gzip_may_decompress_to_the_limit_and_not_to_a_byte_more() -> None:
    assert len(gunzip(gzip.compress(bytes(DECOMPRESSED_LIMIT)))) == DECOMPRESSED_LIMIT
    with pytest.raises(CorruptRecord, match="more than"):
        gunzip(gzip.compress(bytes(DECOMPRESSED_LIMIT + 1)))


def test_a_gzip_bomb_is_corrupt() -> None:
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1024 * 1024)
    bomb = b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()

    assert f"more than {DECOMPRESSED_LIMIT} bytes" in decode_error(bomb)


@pytest.mark.parametrize(
    "text", ["YWJjZA==\n", " YWJjZA== ", "YWJj\r\nZA==\r\n", "YWJjZA====", "\tYWJj\nZA\n=====\n"]
)
def test_base64_that_other_consumers_read_is_read(text: str) -> None:
    lax = record(b"")
    lax["kinesis"]["data"] = text

    assert first([lax]).content() == b"abcd"


@pytest.mark.parametrize(
    "text", ["not base64!", "YQ", "YQ=", "YQ==YQ==", "Y", "Y===", "Y Q==", "Yé==", "YQ==\x00"]
)
def test_data_that_is_not_base64_is_corrupt_and_kept_as_text(text: str) -> None:
    broken = record(b"")
    broken["kinesis"]["data"] = text

    (user_record,) = user_records([broken], NOW)

    assert user_record.data == text.encode()
    with pytest.raises(CorruptRecord, match="not base64"):
        user_record.content()


@pytest.mark.parametrize(
    "broken",
    [None, 5, "text", [], {}, {"kinesis": None}, {"kinesis": []}, {"kinesis": {"data": 5}}],
    ids=repr,
)
def test_a_malformed_record_is_corrupt_and_kept_as_json(broken: Any) -> None:
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
    ids=["lone surrogate", "large number", "deeply nested", "not JSON"],
)
def test_a_malformed_record_is_kept_whatever_its_content(broken: Any) -> None:
    user_record = first([broken])

    assert user_record.data
    with pytest.raises(CorruptRecord, match=r"no text under kinesis\.data"):
        user_record.content()


def test_a_malformed_record_keeps_its_event_id_and_sequence_number() -> None:
    broken = record(b"", 7)
    broken["kinesis"]["data"] = None

    (user_record,) = user_records([broken], NOW)

    assert (user_record.event_id, user_record.sequence_number) == (f"{SHARD}:7", "7")


def test_a_malformed_record_keeps_its_partition_key_and_arrival() -> None:
    broken = record(b"", key="k")
    broken["kinesis"]["data"] = None

    (user_record,) = user_records([broken], NOW)

    assert (user_record.partition_key, user_record.arrived_at) == ("k", ARRIVED)


def test_what_is_not_json_is_kept_as_python_shows_it() -> None:
    assert first([b"bytes"]).data == b"b'bytes'"


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


def test_an_entry_of_an_aggregated_record_has_the_arrival_of_the_record() -> None:
    dated = record(aggregate(field(1, b"a") + entry(b"one")))
    undated = json.loads(json.dumps(dated))
    del undated["kinesis"]["approximateArrivalTimestamp"]

    known, unknown = user_records([dated, undated], NOW)

    assert (known.arrived_at, known.arrival_known) == (ARRIVED, True)
    assert (unknown.arrived_at, unknown.arrival_known) == (NOW, False)


def test_an_entry_of_an_aggregated_record_has_its_explicit_hash_key() -> None:
    placed = field(3, field(1, 0) + field(2, 0) + field(3, b"one"))
    message = field(1, b"a") + field(2, b"170") + placed + entry(b"two")

    found = [r.explicit_hash_key for r in user_records([record(aggregate(message))], NOW)]

    assert found == ["170", None]


def test_an_entry_of_an_aggregated_record_has_its_index_in_its_event_id() -> None:
    message = field(1, b"a") + field(1, b"b") + entry(b"one", 1) + entry(b"two", 0)

    found = user_records([record(aggregate(message), 42), record(b"plain", 43)], NOW)

    assert [(p.content(), p.event_id, p.sequence_number, p.partition_key) for p in found] == [
        (b"one", f"{SHARD}:42:0", "42", "b"),
        (b"two", f"{SHARD}:42:1", "42", "a"),
        (b"plain", f"{SHARD}:43", "43", "key"),
    ]


def test_an_entry_of_an_aggregated_record_without_an_event_id_has_none() -> None:
    handmade = record(aggregate(field(1, b"a") + entry(b"one")))
    del handmade["eventID"]

    assert first([handmade]).event_id is None


def test_a_damaged_entry_of_an_aggregated_record_keeps_its_index() -> None:
    message = field(1, b"a") + entry(b"one") + field(3, b"\x0e") + entry(b"two")

    one, broken, two = user_records([record(aggregate(message), 42)], NOW)

    assert (one.content(), two.content()) == (b"one", b"two")
    assert (broken.event_id, broken.data) == (f"{SHARD}:42:1", b"\x0e")
    with pytest.raises(CorruptRecord, match="wire type 6"):
        broken.content()


def test_a_damaged_aggregated_record_is_one_corrupt_user_record() -> None:
    assert "checksum" in decode_error(AGGREGATE_MAGIC + b"short")


def test_a_damaged_aggregated_record_is_data_to_a_model_of_binary_data() -> None:
    intact, damaged = aggregate(field(1, b"a") + entry(b"one")), AGGREGATE_MAGIC + b"short"

    found = user_records([record(intact, 1), record(damaged, 2)], NOW, binary=True)

    assert [r.content() for r in found] == [b"one", damaged]


def test_a_gzipped_entry_of_an_aggregated_record_is_decompressed() -> None:
    assert contents(aggregate(field(1, b"a") + entry(gzip.compress(b"hello")))) == [b"hello"]


@pytest.mark.parametrize("kind", ["gzip", "base64", "aggregate", "entry"])
def test_a_corrupt_record_leaks_no_exception(kind: str) -> None:
    broken = {
        "gzip": record(b"\x1f\x8bnone"),
        "base64": {"kinesis": {"data": "?"}},
        "aggregate": record(AGGREGATE_MAGIC + b"none"),
        "entry": record(aggregate(field(3, b""))),
    }[kind]

    def read() -> None:
        with pytest.raises(CorruptRecord):
            first([broken]).content()

    def leaked() -> int:
        gc.collect()
        return sum(type(thing) is CorruptRecord for thing in gc.get_objects())

    before = leaked()
    for _ in range(5):
        read()

    assert leaked() == before


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_corrupt(data: bytes) -> None:
    for framed in (data, AGGREGATE_MAGIC + data, b"\x1f\x8b" + data, aggregate(data)):
        for user_record in user_records([record(framed)], NOW):
            try:
                user_record.content()
            except CorruptRecord as error:
                assert error.reason  # noqa: PT017  either outcome is right


@pytest.mark.parametrize("odd", [None, [], "text", {}, {"Records": None}, {"records": []}])
def test_an_invocation_without_records_fails_with_what_was_expected(odd: Any) -> None:
    with pytest.raises(UnexpectedEvent, match="an object with a list Records; got "):
        kinesis_records(odd)


def test_an_invocation_without_records_is_shown() -> None:
    with pytest.raises(UnexpectedEvent, match=r"; got ") as raised:
        kinesis_records([1, 2])

    assert "None" not in str(raised.value)


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
