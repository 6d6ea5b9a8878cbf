"""Records whose data cannot be read are corrupt, and kept."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.aggregation import AGGREGATE_MAGIC
from streaming.consumer.records import user_records
from streaming.errors import CorruptRecord
from tests.kpl_aggregation import aggregate, field
from tests.lambda_events import ARRIVED, SHARD, record
from tests.streaming.consumer.read_records import NOW, first


@pytest.mark.parametrize(
    "text", ["YWJjZA==\n", " YWJjZA== ", "YWJj\r\nZA==\r\n", "YWJjZA====", "\tYWJj\nZA\n=====\n"]
)
def test_base64_that_other_consumers_read_is_read(text: str) -> None:
    lax = record(b"")
    lax["kinesis"]["data"] = text

    assert first([lax]).content() == b"abcd"


def test_base64_with_too_much_padding_is_read_whatever_its_length() -> None:
    lax = record(b"")
    for text, content in [("YQ===", b"a"), ("YWI==", b"ab"), ("YWJj=", b"abc")]:
        lax["kinesis"]["data"] = text

        assert first([lax]).content() == content


def test_data_that_is_not_unicode_is_corrupt_and_kept() -> None:
    broken = record(b"")
    broken["kinesis"]["data"] = "a\ud800b"

    user_record = first([broken])

    assert user_record.data == b"a?b"
    with pytest.raises(CorruptRecord, match="not base64"):
        user_record.content()


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
