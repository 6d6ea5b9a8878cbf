"""Small records that take long to read: an invocation ends in time, and has done some of them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming import aggregation
from streaming.consumer import records
from streaming.consumer.consumer import NOT_FINISHED_SECONDS, SLICE_RECORDS
from tests.kpl_aggregation import aggregate, aggregate_of, entry, field
from tests.lambda_events import SHARD, event
from tests.streaming.consumer.harness import Harness, context, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streaming.aggregation import AggregatedEntry

SECONDS = 0.5
"""How long it takes to decompress a record, or to deaggregate one."""

PUBLISHING = 45
"""Of an invocation's 60 seconds."""

BOMB = gzip.compress(b"a bomb 0")
WORD = gzip.compress(b"hello")


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    found = Harness(tmp_path)
    slow_down(monkeypatch, found)
    return found


def slow_down(monkeypatch: pytest.MonkeyPatch, harness: Harness) -> None:
    """Let decompressing and deaggregating a record take time."""

    def slowly(step: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        def slow(data: bytes) -> Any:
            harness.clock.advance(SECONDS)
            return step(data)

        return slow

    monkeypatch.setattr(records, "gunzip", slowly(records.gunzip))
    monkeypatch.setattr(records, "deaggregate", slowly(aggregation.deaggregate))


def invocations(consumer: Any, harness: Harness, batch: list[Any]) -> Iterator[float]:
    """Invoke as Lambda does until all is done; yield how long each invocation took."""
    for _ in range(100):
        started = harness.clock.now()
        response = consumer.handle({"Records": batch}, context(60))
        yield harness.clock.now() - started
        if not response["batchItemFailures"]:
            return
        (failure,) = response["batchItemFailures"]
        numbers = [each["kinesis"]["sequenceNumber"] for each in batch]
        batch = batch[numbers.index(failure["itemIdentifier"]) :]
    pytest.fail("never done")


@pytest.mark.parametrize("data", [BOMB, WORD], ids=["poison", "events"])
@pytest.mark.parametrize("aggregated", [False, True], ids=["records", "one aggregated record"])
def test_a_slice_of_compressed_records_is_interrupted_when_time_runs_out(
    harness: Harness,
    data: bytes,
    aggregated: bool,  # noqa: FBT001
) -> None:
    payloads = [aggregate_of("k", [entry(data)] * 300)] if aggregated else [data] * 300

    took = list(invocations(harness.environment(), harness, event(*payloads)["Records"]))

    assert max(took) <= PUBLISHING + SECONDS
    # 300 records take 150 s: four invocations, and one record more for each that is interrupted.
    assert len(took) == 4
    done = harness.published() if data is WORD else harness.dead_letters_written()
    ids = [each["event_id"] for each in done]
    expected = (
        [f"{SHARD}:1:{index}" for index in range(300)]
        if aggregated
        else [f"{SHARD}:{number}" for number in range(1, 301)]
    )
    assert sorted(ids) == sorted(expected)
    if data is WORD:
        assert ids == expected


def test_in_ever_new_environments_an_old_aggregated_record_of_bombs_is_out_of_the_way(
    harness: Harness,
) -> None:
    harness.age = NOT_FINISHED_SECONDS
    batch = event(aggregate_of("k", [entry(BOMB)] * 300), b"bye", first=42)

    response = harness.handle(batch, context(60))

    assert response["batchItemFailures"] == failed(43)
    kinds = [each["error_type"] for each in harness.dead_letters_written()]
    assert set(kinds) == {"InvalidEvent", "NotFinished"}
    assert len(kinds) == 300


def test_plain_records_between_compressed_ones_keep_their_order(harness: Harness) -> None:
    payloads = [WORD, b"hi"] * 150

    list(invocations(harness.environment(), harness, event(*payloads)["Records"]))

    ids = [each["event_id"] for each in harness.published()]
    assert ids == [f"{SHARD}:{number}" for number in range(1, 301)]


def test_a_record_that_takes_longer_than_an_invocation_is_still_tried(harness: Harness) -> None:
    response = harness.handle(event(BOMB, BOMB, first=42), context(2 * SECONDS))

    assert response["batchItemFailures"] == failed(43)
    assert len(harness.dead_letters_written()) == 1


@pytest.mark.parametrize("content", [b"hi", b"0", BOMB], ids=["events", "poison", "bombs"])
def test_aggregated_records_behind_the_end_of_the_time_are_not_deaggregated(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    read: list[bytes] = []
    deaggregate = aggregation.deaggregate

    def counted(data: bytes) -> Iterator[AggregatedEntry]:
        read.append(data)
        harness.clock.advance(SECONDS)
        return deaggregate(data)

    monkeypatch.setattr(records, "deaggregate", counted)
    packed = aggregate(field(1, b"k") + entry(content) * SLICE_RECORDS)

    response = harness.handle(event(*[packed] * 200, first=42), context(60))

    assert len(read) <= PUBLISHING / SECONDS + 1
    (failure,) = response["batchItemFailures"]
    counts = harness.telemetry.counts
    done = counts.published + counts.dead_lettered
    number, _ = divmod(done, SLICE_RECORDS)
    assert failure == {"itemIdentifier": str(42 + number)}
    assert counts.failed == counts.received - done
    assert done > 0


def test_a_first_record_that_is_resumed_is_read_though_there_is_no_time(harness: Harness) -> None:
    consumer = harness.environment()
    batch = event(aggregate_of("k", [entry(WORD)] * 300), b"bye", first=42)
    consumer.handle(batch, context(60))
    done = len(harness.published())

    response = consumer.handle(batch, context(0))

    assert response["batchItemFailures"] == failed(42)
    assert harness.telemetry.counts.resumed == done > 0
    assert harness.telemetry.counts.failed == 300 - done + 1


@settings(max_examples=100, deadline=None)
@given(
    sent=st.lists(
        st.lists(st.sampled_from(["ant", "ape", "bee", "w0rd", "unknown"]), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    ),
    compressed=st.sets(st.sampled_from(["ant", "ape", "bee", "w0rd", "unknown"])),
    times=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=12),
    old=st.booleans(),
)
def test_wherever_reading_is_interrupted_nothing_is_lost_or_out_of_order(
    sent: list[list[str]],
    compressed: set[str],
    times: list[tuple[int, bool]],
    old: bool,  # noqa: FBT001
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    harness = Harness(tmp_path_factory.mktemp("dead"))
    harness.age = NOT_FINISHED_SECONDS if old else 2.0
    data = {
        word: gzip.compress(word.encode()) if word in compressed else word.encode()
        for words in sent
        for word in words
    }
    batch = event(*(aggregate_of("k", [entry(data[word]) for word in words]) for words in sent))
    left = batch["Records"]
    consumer = harness.environment()
    with pytest.MonkeyPatch.context() as patch:
        slow_down(patch, harness)
        # Half of such a short time is for publishing.
        for steps, fresh in [*times, (10_000, False)]:
            consumer = harness.environment() if fresh else consumer
            response = consumer.handle({"Records": left}, context(SECONDS * steps + SECONDS / 2))
            failures = [int(each["itemIdentifier"]) for each in response["batchItemFailures"]]
            left = [
                each
                for each in left
                if failures and int(each["kinesis"]["sequenceNumber"]) >= failures[0]
            ]

    assert left == []
    events = {
        f"{SHARD}:{number}:{index}": word
        for number, words in enumerate(sent, 1)
        for index, word in enumerate(words)
    }
    published = list(dict.fromkeys(each["event_id"] for each in harness.published()))
    dead = {each["event_id"]: each["error_type"] for each in harness.dead_letters_written()}
    for event_id, word in events.items():
        assert (dead.get(event_id) == "InvalidEvent") <= (word == "w0rd")
        assert event_id in {*published, *dead} or word == "unknown"
    for key in "ab":
        order = [each for each in published if events[each].startswith(key)]
        assert order == [each for each in events if each in order]


def test_half_of_the_time_is_kept_for_what_follows_a_compressed_record(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    decode = harness.model.decode

    def slow(content: bytes, arrived_at: float) -> str | None:
        harness.clock.advance(1.0)
        return decode(content, arrived_at)

    harness.model.decode = slow  # type: ignore[method-assign]
    harness.handle(event(*[gzip.compress(b"hello")] * 100), context(60))

    # Of 45 s for publishing, 44 are left after the first record; then of 22.
    assert harness.model.batches[:2] == [23, 12]
