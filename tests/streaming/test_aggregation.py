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

    assert list(deaggregate(aggregate(message))) == [("é", b"one", None), ("a", b"two", None)]


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

    assert list(deaggregate(aggregate(newer))) == [("a", b"one", None)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (field(1, 0), "without data"),
        (field(1, 5) + field(3, b"x"), "partition key index 5"),
        (field(3, b"x"), "partition key index None"),
        (field(1, 1) + field(3, b"x"), "partition key that is not UTF-8"),
        (field(1, 2) + field(3, b"x"), f"partition key of {PARTITION_KEY_BYTES + 1} bytes"),
        (b"\x1a\x7fx", "longer than the record"),
        (b"\x0b", "wire type 3"),
        (b"\x08" + b"\xff" * 11, "unterminated integer"),
        (b"\x08", "unterminated integer"),
    ],
)
def test_a_damaged_entry_does_not_affect_the_others(bad: bytes, reason: str) -> None:
    keys = KEY_A + field(1, b"\xff") + field(1, b"k" * (PARTITION_KEY_BYTES + 1))
    message = keys + entry(b"one") + field(3, bad) + entry(b"two")

    first, (key, data, decode_error), last = deaggregate(aggregate(message))

    assert (first, last) == (("a", b"one", None), ("a", b"two", None))
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


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64), count=st.integers(1, 40))
def test_records_of_amazons_aggregator_are_deaggregated(seed: int, count: int) -> None:
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
