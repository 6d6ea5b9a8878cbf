from __future__ import annotations

import gzip
import hashlib
import random
import zlib
from typing import Any

import aws_kinesis_agg.aggregator
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import CorruptRecord, UnexpectedEvent
from streaming.records import (
    AGGREGATE_MAGIC,
    ENTRIES_LIMIT,
    UNPACKED_LIMIT,
    deaggregate,
    gunzip,
    kinesis_records,
    payloads,
    stream_name,
)
from tests.lambda_events import ARRIVED, SHARD, event, record

NOW = 1_800_000_000.0


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def aggregate(message: bytes) -> bytes:
    return AGGREGATE_MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def entry(data: bytes, key_index: int = 0) -> bytes:
    return field(3, field(1, key_index) + field(3, data))


def contents(*data: bytes) -> list[bytes]:
    return [payload.content() for payload in payloads(event(*data)["Records"], NOW)]


def only_flaw(data: bytes) -> str:
    (payload,) = payloads([record(data)], NOW)
    with pytest.raises(CorruptRecord) as raised:
        payload.content()
    assert payload.data == data
    return str(raised.value)


def test_a_plain_payload_comes_with_where_it_came_from() -> None:
    (payload,) = payloads([record(b"hello", 42, key="k")], NOW)

    assert payload.content() == b"hello"
    assert payload.event_id == f"{SHARD}:42"
    assert payload.sequence_number == "42"
    assert payload.partition_key == "k"
    assert payload.arrived_at == ARRIVED


def test_a_gzipped_payload_is_unpacked_and_kept_as_it_came() -> None:
    packed = gzip.compress(b"hello")

    (payload,) = payloads([record(packed)], NOW)

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

    assert f"more than {UNPACKED_LIMIT} bytes" in only_flaw(bomb)


@pytest.mark.parametrize("text", ["not base64!", "YQ", "YQ==YQ==", "Yé=="])
def test_what_is_not_base64_is_corrupt_and_kept_as_its_text(text: str) -> None:
    broken = record(b"")
    broken["kinesis"]["data"] = text

    (payload,) = payloads([broken], NOW)

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

    first, second = payloads([broken, good], NOW)

    with pytest.raises(CorruptRecord, match=r"no text under kinesis\.data"):
        first.content()
    assert first.arrived_at == NOW
    assert second.content() == b"hello"


def test_a_misshapen_record_keeps_what_it_does_say() -> None:
    broken = record(b"", 7)
    broken["kinesis"]["data"] = None

    (payload,) = payloads([broken], NOW)

    assert (payload.event_id, payload.sequence_number) == (f"{SHARD}:7", "7")


def test_a_hand_made_record_needs_nothing_but_its_data() -> None:
    (payload,) = payloads([{"kinesis": {"data": "aGVsbG8="}}], NOW)

    assert payload.content() == b"hello"
    assert payload.event_id is None
    assert payload.sequence_number is None
    assert payload.arrived_at == NOW


@pytest.mark.parametrize("number", ["12a", "", "9" * 129, "-5", 5, None])
def test_a_sequence_number_that_is_none_counts_as_not_given(number: Any) -> None:
    odd = record(b"hello")
    odd["kinesis"]["sequenceNumber"] = number

    assert payloads([odd], NOW)[0].sequence_number is None


@pytest.mark.parametrize("arrival", [None, "1740834900", float("nan"), float("inf"), -1, 1e300])
def test_an_arrival_that_no_date_can_hold_is_now(arrival: Any) -> None:
    odd = record(b"hello")
    odd["kinesis"]["approximateArrivalTimestamp"] = arrival

    assert payloads([odd], NOW)[0].arrived_at == NOW


def test_the_entries_of_an_aggregate_are_told_apart_by_their_index() -> None:
    message = field(1, b"a") + field(1, b"b") + entry(b"one", 1) + entry(b"two", 0)

    found = payloads([record(aggregate(message), 42), record(b"plain", 43)], NOW)

    assert [(p.content(), p.event_id, p.sequence_number, p.partition_key) for p in found] == [
        (b"one", f"{SHARD}:42:0", "42", "b"),
        (b"two", f"{SHARD}:42:1", "42", "a"),
        (b"plain", f"{SHARD}:43", "43", "key"),
    ]


def test_an_entry_of_an_aggregate_without_an_event_id_has_none() -> None:
    hand_made = record(aggregate(field(1, b"a") + entry(b"one")))
    del hand_made["eventID"]

    assert payloads([hand_made], NOW)[0].event_id is None


def test_gzip_inside_an_aggregate_is_unpacked() -> None:
    assert contents(aggregate(field(1, b"a") + entry(gzip.compress(b"hello")))) == [b"hello"]


def test_an_aggregate_of_nothing_holds_no_payloads() -> None:
    assert contents(aggregate(b"")) == []


def test_fields_that_the_format_does_not_know_are_passed_over() -> None:
    newer = (
        field(1, b"a")
        + field(9, 300)
        + field(10, b"new")
        + varint(11 << 3 | 5)
        + bytes(4)
        + varint(12 << 3 | 1)
        + bytes(8)
        + field(3, field(1, 0) + field(7, b"tag") + field(3, b"one"))
    )

    assert contents(aggregate(newer)) == [b"one"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (field(3, field(1, 0)), "without data"),
        (field(3, field(1, 5) + field(3, b"x")), "partition key index is 5"),
        (field(3, field(3, b"x")), "partition key index is None"),
        (field(3, field(1, 1) + field(3, b"x")), "partition key is not UTF-8"),
        (field(3, b"\x1a\x7fx"), "longer than itself"),
        (field(3, b"\x0b"), "wire type 3"),
        (field(3, b"\x08" + b"\xff" * 11), "endless integer"),
        (field(3, b"\x08"), "endless integer"),
    ],
)
def test_one_bad_entry_does_not_cost_its_siblings(bad: bytes, reason: str) -> None:
    message = field(1, b"a") + field(1, b"\xff") + entry(b"one") + bad + entry(b"two")

    first, broken, last = payloads([record(aggregate(message))], NOW)

    assert (first.content(), last.content()) == (b"one", b"two")
    assert str(broken.event_id).endswith(":1")
    with pytest.raises(CorruptRecord, match=reason):
        broken.content()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (aggregate(entry(b"one"))[:-1], "checksum"),
        (AGGREGATE_MAGIC, "checksum"),
        (AGGREGATE_MAGIC + b"short", "checksum"),
        (aggregate(b"\x1a\x7f"), "longer than itself"),
        (aggregate(b"\xff" * 20), "endless integer"),
    ],
)
def test_a_damaged_aggregate_is_one_corrupt_record(damage: bytes, reason: str) -> None:
    assert reason in only_flaw(damage)


def test_an_aggregate_with_absurdly_many_entries_is_corrupt() -> None:
    crowd = aggregate(field(1, b"a") + field(3, b"") * (ENTRIES_LIMIT + 1))

    assert f"{ENTRIES_LIMIT + 1} entries" in only_flaw(crowd)


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64), count=st.integers(1, 40))
def test_what_amazons_aggregator_writes_is_read(seed: int, count: int) -> None:
    draw = random.Random(seed)
    put = [
        ("".join(draw.choices("abcé𝄞", k=draw.randint(1, 9))), draw.randbytes(draw.randint(1, 300)))
        for _ in range(count)
    ]
    writer = aws_kinesis_agg.aggregator.RecordAggregator()
    for key, data in put:
        writer.add_user_record(key, data, str(draw.getrandbits(127)))
    _, _, written = writer.clear_and_get().get_contents()

    assert [(key, data) for key, data, _ in deaggregate(written)] == put


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_the_bytes_a_record_is_read_or_corrupt(data: bytes) -> None:
    for framed in (data, AGGREGATE_MAGIC + data, b"\x1f\x8b" + data, aggregate(data)):
        for payload in payloads([record(framed)], NOW):
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
