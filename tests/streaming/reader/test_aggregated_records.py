"""Aggregated records are opened: each entry is a record."""

from collections.abc import Callable
from itertools import islice

import pytest

from streaming.aggregation import AGGREGATE_MAGIC
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.kpl_aggregation import DAMAGED_AGGREGATES, DAMAGED_ENTRIES, aggregate_of, entry, field
from tests.streaming.reader.reader_fixtures import numbers_in, reader_of


def test_aggregated_records_are_opened(kinesis: FakeKinesis, clock: Clock) -> None:
    kinesis.put("rides", "a", b"1", aggregate_of("b", [entry(b"2"), entry(b"3")]), b"4")

    records = list(reader_of(kinesis, clock))

    assert [(r.partition_key, r.data) for r in records] == [
        ("a", b"1"),
        ("b", b"2"),
        ("b", b"3"),
        ("a", b"4"),
    ]
    parent = records[1].event_id.removesuffix(":0")
    assert [r.event_id for r in records[1:3]] == [f"{parent}:0", f"{parent}:1"]
    assert parent == f"{records[2].shard_id}:{records[2].sequence_number}"


@pytest.mark.parametrize(
    "data",
    [
        *(write(b'{"event_id":"shard:1"}') for write in DAMAGED_AGGREGATES.values()),
        AGGREGATE_MAGIC + b"not an aggregate",
    ],
)
def test_a_damaged_aggregated_record_is_returned_as_it_is(
    kinesis: FakeKinesis, clock: Clock, data: bytes
) -> None:
    kinesis.put("rides", "k", data)

    assert [r.data for r in reader_of(kinesis, clock)] == [data]


@pytest.mark.parametrize("write", DAMAGED_ENTRIES.values())
def test_a_damaged_entry_does_not_lose_the_others(
    kinesis: FakeKinesis, clock: Clock, write: Callable[[bytes], bytes]
) -> None:
    damaged = write(b"1")
    data = aggregate_of("b", [entry(b"0"), field(3, damaged), entry(b"2")])
    kinesis.put("rides", "a", data)

    records = list(reader_of(kinesis, clock))

    assert [(r.partition_key, r.data) for r in records] == [
        ("b", b"0"),
        ("a", damaged),
        ("b", b"2"),
    ]


def test_an_aggregated_record_is_processed_when_its_last_entry_is(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"0", aggregate_of("k", [entry(b"1"), entry(b"2")]), b"3")
    reader = reader_of(kinesis, clock)
    resumed = []
    for _ in zip(reader, range(4), strict=False):
        reader.checkpoint()
        resumed.append(numbers_in(reader_of(kinesis, clock, saved=reader.position)))

    assert resumed == [[1, 2, 3], [1, 2, 3], [3], []]


def test_leaving_the_loop_within_an_aggregated_record_loses_no_entry(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", aggregate_of("k", [entry(b"0"), entry(b"1"), entry(b"2")]), b"3")
    reader = reader_of(kinesis, clock)

    assert [int(record.data) for record in islice(reader, 2)] == [0, 1]
    assert numbers_in(reader) == [2, 3]
    assert numbers_in(reader_of(kinesis, clock, saved=reader.position)) == []
