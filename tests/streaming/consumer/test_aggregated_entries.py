"""The entries of an aggregated record are user records."""

from __future__ import annotations

import gzip
import json

import pytest

from streaming.aggregation import AGGREGATE_MAGIC
from streaming.consumer.records import user_records
from streaming.errors import CorruptRecord
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import ARRIVED, SHARD, record
from tests.streaming.consumer.read_records import NOW, contents, decode_error, first


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
