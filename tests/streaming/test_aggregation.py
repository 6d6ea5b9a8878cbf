from __future__ import annotations

import random

import aws_kinesis_agg.aggregator
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.aggregation import (
    AGGREGATE_MAGIC,
    ENTRIES_LIMIT,
    PARTITION_KEY_BYTES,
    deaggregate,
)
from streaming.errors import CorruptRecord
from tests.kpl_aggregation import aggregate, entry, field, varint

KEY_A = field(1, b"a")


def corruption(data: bytes) -> str:
    with pytest.raises(CorruptRecord) as raised:
        deaggregate(data)
    return str(raised.value)


def test_an_entry_has_the_partition_key_that_it_refers_to() -> None:
    message = KEY_A + field(1, "é".encode()) + entry(b"one", 1) + entry(b"two", 0)

    assert list(deaggregate(aggregate(message))) == [
        ("é", b"one", None, None),
        ("a", b"two", None, None),
    ]


def test_an_aggregated_record_without_entries_is_corrupt_so_that_it_is_counted() -> None:
    with pytest.raises(CorruptRecord, match="without entries"):
        deaggregate(aggregate(b""))


def test_unknown_fields_are_ignored() -> None:
    newer = (
        KEY_A
        + field(9, 300)
        + field(10, b"new")
        + varint(11 << 3 | 5)
        + bytes(4)
        + varint(12 << 3 | 1)
        + bytes(8)
        + field(3, field(1, 0) + field(7, b"tag") + field(3, b"one"))
    )

    assert list(deaggregate(aggregate(newer))) == [("a", b"one", None, None)]


def fixed32(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 5) + value


def group(number: int, *fields: bytes) -> bytes:
    return varint(number << 3 | 3) + b"".join(fields) + varint(number << 3 | 4)


@pytest.mark.parametrize(
    "unknown",
    [
        fixed32(1, b"1234"),
        fixed32(3, b"1234"),
        varint(3 << 3 | 1) + b"12345678",
        group(3, field(3, b"other")),
        group(9, field(1, b"b"), group(3, fixed32(3, b"1234")), field(3, 5)),
        group(2**28),
    ],
)
def test_fields_of_another_wire_type_are_unknown_whatever_their_number(unknown: bytes) -> None:
    for message in (
        unknown + KEY_A + entry(b"one") + unknown,
        KEY_A + field(3, unknown + field(1, 0) + unknown + field(3, b"one") + unknown),
    ):
        assert list(deaggregate(aggregate(message))) == [("a", b"one", None, None)]


def test_groups_nest_as_deep_as_the_record_is_long() -> None:
    depth = 100_000
    message = varint(9 << 3 | 3) * depth + varint(9 << 3 | 4) * depth

    assert list(deaggregate(aggregate(KEY_A + entry(b"one") + message))) == [
        ("a", b"one", None, None)
    ]


def test_an_entry_has_its_explicit_hash_key() -> None:
    hash_keys = field(2, b"0") + field(2, str(2**128 - 1).encode())
    entries = b"".join(
        field(3, field(1, 0) + field(2, index) + field(3, b"x")) for index in (1, 0)
    ) + entry(b"y")

    found = [each[3] for each in deaggregate(aggregate(KEY_A + hash_keys + entries))]

    assert found == [str(2**128 - 1), "0", None]


@pytest.mark.parametrize(
    "key", [b"", b"-1", b"01", b"1.0", b"\xff", b"\xd9\xa3", str(2**128).encode(), b"9" * 5000]
)
def test_an_explicit_hash_key_that_kinesis_does_not_accept_counts_as_none(key: bytes) -> None:
    numbered = field(3, field(1, 0) + field(2, 0) + field(3, b"x"))

    assert list(deaggregate(aggregate(KEY_A + field(2, key) + numbered))) == [
        ("a", b"x", None, None)
    ]
    assert list(deaggregate(aggregate(KEY_A + numbered))) == [("a", b"x", None, None)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (field(1, 0), "without data"),
        (field(1, 5) + field(3, b"x"), "partition key index 5"),
        (field(1, 3) + field(3, b"x"), "partition key index 3"),
        (field(3, b"x"), "partition key index None"),
        (field(1, 1) + field(3, b"x"), "partition key that is not UTF-8"),
        (field(1, 2) + field(3, b"x"), f"partition key of {PARTITION_KEY_BYTES + 1} bytes"),
        (b"\x1a\x7fx", "longer than the record"),
        (field(1, 0) + field(3, b"two")[:-1], "longer than the record"),
        (b"\x0e", "wire type 6"),
        (b"\x0b", "a group that does not end"),
        (b"\x0b" + field(1, 0) + b"\x0b\x0c", "a group that does not end"),
        (b"\x0c", "wire type 4"),
        (b"\x0b\x14", "wire type 4"),
        (b"\x08" + b"\xff" * 11, "unterminated integer"),
        (b"\x08" + b"\x80" * 10 + b"\x00", "unterminated integer"),
        (b"\x08", "unterminated integer"),
    ],
)
def test_a_damaged_entry_does_not_affect_the_others(bad: bytes, reason: str) -> None:
    keys = KEY_A + field(1, b"\xff") + field(1, b"k" * (PARTITION_KEY_BYTES + 1))
    message = keys + entry(b"one") + field(3, bad) + entry(b"two")

    first, (key, data, decode_error, _), last = deaggregate(aggregate(message))

    assert (first, last) == (("a", b"one", None, None), ("a", b"two", None, None))
    assert (key, data) == (None, bad)
    assert decode_error is not None
    assert reason in decode_error


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (aggregate(entry(b"one"))[:-1], "checksum"),
        (AGGREGATE_MAGIC, "checksum"),
        (AGGREGATE_MAGIC + b"short", "checksum"),
        (aggregate(b"\x1a\x7f"), "longer than the record"),
        (aggregate(b"\xff" * 20), "unterminated integer"),
        (aggregate(b"\x1a" + b"\xff" * 9 + b"\x01"), "longer than the record"),
    ],
)
def test_a_damaged_aggregated_record_is_corrupt_as_a_whole(damaged: bytes, reason: str) -> None:
    assert reason in corruption(damaged)


@pytest.mark.parametrize("item", [field(3, b""), field(1, b"")], ids=["entries", "keys"])
def test_an_aggregated_record_with_too_many_entries_or_keys_is_corrupt(item: bytes) -> None:
    data = aggregate(KEY_A + item * (ENTRIES_LIMIT + 1))

    assert corruption(data) == f"aggregated record with more than {ENTRIES_LIMIT} entries or keys"


@pytest.mark.parametrize("item", [field(3, b""), field(1, b"")], ids=["entries", "keys"])
def test_an_aggregated_record_may_have_as_many_entries_and_keys_as_the_limit(item: bytes) -> None:
    items = item * (ENTRIES_LIMIT - 1)

    first = next(deaggregate(aggregate(entry(b"one", 0) + KEY_A + items)))

    assert first == ("a", b"one", None, None)


def test_a_partition_key_may_have_256_characters_of_four_bytes() -> None:
    longest = "\N{MUSICAL SYMBOL G CLEF}" * 256

    found = deaggregate(aggregate(field(1, longest.encode()) + entry(b"one")))

    assert list(found) == [(longest, b"one", None, None)]


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64), count=st.integers(1, 40))
def test_records_of_amazons_aggregator_are_deaggregated(seed: int, count: int) -> None:
    draw = random.Random(seed)
    put = [
        (
            "".join(draw.choices("abcé𝄞", k=draw.randint(1, 9))),
            draw.randbytes(draw.randint(1, 300)),
            None,
            str(draw.getrandbits(127)),
        )
        for _ in range(count)
    ]
    writer = aws_kinesis_agg.aggregator.RecordAggregator()
    for key, data, _, hash_key in put:
        writer.add_user_record(key, data, hash_key)
    _, _, written = writer.clear_and_get().get_contents()

    assert list(deaggregate(written)) == put
