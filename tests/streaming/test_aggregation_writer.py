from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.aggregation import AGGREGATE_MAGIC, deaggregate
from streaming.aggregation_writer import AGGREGATE_BYTES, Aggregation, aggregate, pack
from streaming.publisher import DEFAULT_ENTRY_BYTES, Entry, Publisher, entry_bytes
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAM = "ride_predictions"
THROTTLED = "ProvisionedThroughputExceededException"
SWITCHED_ON: list[Aggregation] = ["hot", "all"]


def entry(data: bytes = b"x", key: str = "k") -> Entry:
    return {"Data": data, "PartitionKey": key}


def framed(message: str) -> bytes:
    """Put a message, in hexadecimal, between the format's magic number and its MD5."""
    content = bytes.fromhex(message)
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return b"\xf3\x89\x9a\xc2" + content + digest


def opened(data: bytes, key: str) -> list[tuple[str, bytes]]:
    """Return partition key and data of each user record in a record."""
    if not data.startswith(AGGREGATE_MAGIC):
        return [(key, data)]
    return [(str(entry.partition_key), entry.data) for entry in deaggregate(data)]


class Environment:
    """A publisher that aggregates, the stream that it puts to, and the clock of both."""

    def __init__(self, aggregation: Aggregation, shards: int = 1) -> None:
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=shards)
        self.publisher = Publisher(
            self.kinesis,
            STREAM,
            aggregation=aggregation,
            clock=self.clock.now,
            sleep=self.clock.sleep,
            jitter=lambda: 1.0,
        )

    def calls(self) -> list[Sequence[Entry]]:
        return [call["Records"] for name, call in self.kinesis.calls if name == "put_records"]

    def shards(self) -> list[list[tuple[str, bytes]]]:
        """Return partition key and data of each user record, by shard, in order."""
        return [
            [
                user_record
                for record in shard.records
                for user_record in opened(record.data, record.partition_key)
            ]
            for shard in self.kinesis.open_shards(STREAM)
        ]


def test_an_aggregated_record_is_written_as_its_format_says() -> None:
    message = "0a0161 0a0162 1a0508001a0131 1a0508011a0132 1a0508001a0133"

    data = aggregate([entry(b"1", "a"), entry(b"2", "b"), entry(b"3", "a")])

    assert data == framed(message)


def test_an_explicit_hash_key_is_written_once_and_referred_to() -> None:
    message = "0a0161 12023432 1a07080010001a0131 1a07080010001a0132"

    data = aggregate([entry(b"1", "a"), entry(b"2", "a")], "42")

    assert data == framed(message)


@pytest.mark.parametrize(
    ("size", "lengths"),
    [
        (123, "1a7f 0800 1a7b"),
        (124, "1a8001 0800 1a7c"),
        (127, "1a8301 0800 1a7f"),
        (128, "1a8501 0800 1a8001"),
    ],
)
def test_a_length_takes_as_few_bytes_as_it_can(size: int, lengths: str) -> None:
    data = aggregate([entry(bytes(size), "a")])

    assert data == framed(f"0a0161 {lengths} {bytes(size).hex()}")


@given(st.lists(st.tuples(st.text("aé", min_size=1, max_size=200), st.binary()), min_size=1))
def test_what_is_aggregated_is_deaggregated_the_same(user_records: list[tuple[str, bytes]]) -> None:
    data = aggregate([entry(data, key) for key, data in user_records])

    assert list(deaggregate(data)) == [(key, data, None, None) for key, data in user_records]


def test_a_python_that_allows_md5_for_checksums_only_aggregates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    md5 = hashlib.md5

    def of_fips(content: bytes, *, usedforsecurity: bool = True) -> Any:
        if usedforsecurity:
            raise ValueError("disabled for FIPS")
        return md5(content, usedforsecurity=False)

    monkeypatch.setattr(hashlib, "md5", of_fips)

    (record,) = pack([entry(b"1"), entry(b"2")], range(2), "all").records
    assert opened(record["Data"], "k") == [("k", b"1"), ("k", b"2")]


@pytest.mark.parametrize("aggregation", SWITCHED_ON)
@pytest.mark.parametrize("size", [1, 330, 2_500])
def test_a_thousand_entries_under_one_key_take_at_most_five_calls(
    aggregation: Aggregation, size: int
) -> None:
    environment = Environment(aggregation)
    hot = [entry(str(number).encode().ljust(size)) for number in range(1_000)]

    published = environment.publisher.publish(hot, deadline=60)

    assert published.accepted == 1_000
    assert published.successive_calls == len(environment.calls()) <= 5
    assert environment.shards() == [[("k", e["Data"]) for e in hot]]


def test_a_thousand_entries_under_one_key_take_as_many_calls_by_default() -> None:
    environment = Environment("off")

    published = environment.publisher.publish([entry()] * 1_000, deadline=60)

    assert published.successive_calls == len(environment.calls()) == 1_000


def test_hot_leaves_entries_alone_whose_key_no_other_has() -> None:
    environment = Environment("hot")
    put = [entry(b"1", "a"), entry(b"2", "b"), entry(b"3", "a"), entry(b"4", "c")]

    environment.publisher.publish(put, deadline=60)

    assert [[e["PartitionKey"] for e in call] for call in environment.calls()] == [["a", "b", "c"]]
    assert environment.calls()[0][1:] == [put[1], put[3]]
    assert environment.shards() == [[("a", b"1"), ("a", b"3"), ("b", b"2"), ("c", b"4")]]


def test_hot_aggregates_no_entries_of_different_keys() -> None:
    put = [entry(b"", f"ride-{number}") for number in range(1_000)]

    assert pack(put, range(len(put)), "hot").records == put


def test_all_puts_a_thousand_rides_in_64_records_spread_over_the_shards() -> None:
    environment = Environment("all", shards=64)
    rides = [entry(bytes(330), f"ride-{number}") for number in range(1_000)]

    published = environment.publisher.publish(rides, deadline=60)

    assert published.accepted == 1_000
    assert [len(call) for call in environment.calls()] == [64]
    assert [len(shard.records) for shard in environment.kinesis.open_shards(STREAM)] == [1] * 64


@pytest.mark.parametrize("shards", [1, 2, 4, 8, 64])
def test_all_puts_an_entry_on_the_shard_that_its_partition_key_would_choose(shards: int) -> None:
    plain, aggregated = Environment("off", shards), Environment("all", shards)
    rides = [entry(b"x", f"ride-{number}") for number in range(200)]

    for environment in (plain, aggregated):
        environment.publisher.publish(rides, deadline=60)

    by_shard = [[set(shard) for shard in each.shards()] for each in (plain, aggregated)]
    assert by_shard[0] == by_shard[1]


def test_all_keeps_a_key_on_its_shard_and_in_order_from_batch_to_batch() -> None:
    environment = Environment("all", shards=3)
    numbers = count()

    for batch in (1, 40, 7):  # alone, a ride's entry is not aggregated
        put = [entry(str(next(numbers)).encode(), f"ride-{ride}") for ride in range(batch)]
        environment.publisher.publish([*put, *put], deadline=60)

    shards_of = defaultdict(set)
    for shard, user_records in enumerate(environment.shards()):
        for key, _ in user_records:
            shards_of[key].add(shard)
    assert len(shards_of) == 40
    assert all(len(shards) == 1 for shards in shards_of.values())


def test_the_kcl_finds_every_entry_on_the_shard_of_its_hash_key() -> None:
    environment = Environment("all", shards=3)
    environment.publisher.publish([entry(b"x", f"{n}") for n in range(999)], deadline=60)

    for shard in environment.kinesis.open_shards(STREAM):
        for record in shard.records:
            hash_key = re.search(rb"\x12[\x25-\x27](\d{37,39})", record.data)  # field 2
            assert hash_key
            assert int(hash_key[1]) in shard.hashes


@pytest.mark.parametrize("aggregation", SWITCHED_ON)
def test_records_are_at_most_half_a_shards_second_unless_one_entry_is_larger(
    aggregation: Aggregation,
) -> None:
    large = DEFAULT_ENTRY_BYTES - 1
    put = [entry(bytes(size)) for size in (*[50_000] * 30, large, 3, large, 3, 3)]

    records = pack(put, range(len(put)), aggregation).records

    sizes = [entry_bytes(record) for record in records]
    assert [size for size in sizes if size > AGGREGATE_BYTES] == [large + 1] * 2
    assert len(records) == 3 + 1 + 1 + 1 + 1


@pytest.mark.parametrize("aggregation", SWITCHED_ON)
def test_two_entries_that_are_too_large_together_take_two_records(aggregation: Aggregation) -> None:
    put = [entry(bytes(300_000)), entry(bytes(300_000))]

    assert [record["Data"] for record in pack(put, range(2), aggregation).records] == [
        each["Data"] for each in put
    ]


def test_long_partition_keys_count_in_the_size_of_a_record() -> None:
    keys = [f"{number:0256}" for number in range(90_000)]
    near = [key for key in keys if hashlib.md5(key.encode()).digest()[0] == 0]  # noqa: S324
    put = [entry(bytes(2_000), key) for key in near]

    sizes = [entry_bytes(record) for record in pack(put, range(len(put)), "all").records]

    assert len(sizes) > 1
    assert max(sizes) <= AGGREGATE_BYTES


def test_a_record_has_no_more_entries_than_a_reader_opens() -> None:
    put = [entry(b"", "k")] * 60_000

    members = pack(put, range(len(put)), "hot").members

    assert sum(map(len, members)) == 60_000
    for record in pack(put, range(len(put)), "hot").records:
        assert list(deaggregate(record["Data"]))


@pytest.mark.parametrize("aggregation", SWITCHED_ON)
def test_all_entries_of_a_refused_record_are_refused_and_those_behind_it(
    aggregation: Aggregation,
) -> None:
    environment = Environment(aggregation)
    environment.kinesis.refuse = lambda _entry: THROTTLED
    put = [entry(bytes(300_000)), entry(b"", ""), entry(bytes(300_000)), entry()]

    published = environment.publisher.publish(put, deadline=3)

    assert (published.accepted, published.unacceptable) == (0, [1])
    assert (published.refused, published.failure) == ([0, 2, 3], THROTTLED)


@settings(max_examples=200, deadline=None)
@given(
    batches=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=30), max_size=3),
    aggregation=st.sampled_from(SWITCHED_ON),
    shards=st.integers(1, 5),
    sizes=st.lists(st.sampled_from([0, 0, 0, 200_000]), min_size=1),
    outcomes=st.lists(st.booleans(), max_size=60),
    faults=st.lists(st.sampled_from([None, THROTTLED, "AccessDenied", "lost"]), max_size=10),
)
def test_each_entry_is_accepted_or_refused_and_each_partition_key_stays_in_order(  # noqa: PLR0917
    batches: list[list[str]],
    aggregation: Aggregation,
    shards: int,
    sizes: list[int],
    outcomes: list[bool],
    faults: list[str | None],
) -> None:
    environment = Environment(aggregation, shards)
    accepted = iter(outcomes)
    environment.kinesis.refuse = lambda _entry: None if next(accepted, True) else THROTTLED
    for fault in faults:
        if fault == "lost":
            lost = ReadTimeoutError(endpoint_url="http://k")
            environment.kinesis.lose_answer("put_records", lost)
        else:
            environment.kinesis.fail("put_records", fault)
    numbers = count()
    expected: set[tuple[str, int]] = set()
    for keys in batches:
        put = [(key, next(numbers)) for key in keys]
        entries = [
            entry(str(number).encode().ljust(sizes[number % len(sizes)]), key)
            for key, number in put
        ]
        published = environment.publisher.publish(entries, environment.clock.now() + 8)
        assert published.accepted + len(published.refused) == len(put)
        expected |= {put[at] for at in range(len(put)) if at not in published.refused}

    first_seen: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for shard, user_records in enumerate(environment.shards()):
        for key, data in user_records:
            if int(data) not in first_seen[key, shard]:
                first_seen[key, shard].append(int(data))
    assert {(key, n) for (key, _), seen in first_seen.items() for n in seen} >= expected
    assert len(first_seen) == len({key for key, _ in first_seen})  # a key is on one shard
    for seen in first_seen.values():
        assert seen == sorted(seen)
