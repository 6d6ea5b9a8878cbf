"""What one invocation cannot finish, the next ones do: nothing is done again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.consumer.consumer import NOT_FINISHED_SECONDS
from streaming.consumer.progress import RECORDS, Done, Progress
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import SHARD, event, record
from tests.streaming.consumer.harness import THROTTLED, BrokenStorage, Harness, context, failed

if TYPE_CHECKING:
    from pathlib import Path

CALL = 0.02
"""Seconds that a call of PutRecords takes."""


class SlowHarness(Harness):
    """Its calls of PutRecords take time; all words have one partition key."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        put = self.kinesis.put_records
        self.kinesis.put_records = lambda **call: self._slow(put, call)  # type: ignore[method-assign]

    def _slow(self, put: Any, call: Any) -> Any:
        self.clock.advance(CALL)
        return put(**call)


@pytest.fixture
def harness(tmp_path: Path) -> SlowHarness:
    return SlowHarness(tmp_path)


def hot_record(entries: int, word: bytes = b"hot") -> bytes:
    """Return an aggregated record whose predictions all have one partition key."""
    return aggregate(field(1, b"k") + entry(word) * entries)


def invoke_until_done(consumer: Any, records: list[Any], seconds: float = 60) -> int:
    """Invoke as Lambda does, from the lowest failure on; return the number of invocations."""
    for invocation in range(1, 20):
        (failure,) = consumer.handle({"Records": records}, context(seconds))[
            "batchItemFailures"
        ] or [None]
        if failure is None:
            return invocation
        numbers = [each["kinesis"]["sequenceNumber"] for each in records]
        records = records[numbers.index(failure["itemIdentifier"]) :]
    pytest.fail("never done")


def published_ids(harness: Harness) -> list[str]:
    return [each["event_id"] for each in harness.published()]


def test_a_record_that_takes_several_invocations_is_finished_in_order_without_duplicates(
    harness: SlowHarness,
) -> None:
    records = event(b"hello", hot_record(6_000), b"bye", first=42)["Records"]

    # 45 s of an invocation are for publishing; 6,000 calls take 120 s.
    assert invoke_until_done(harness.environment(), records) == 3

    published = published_ids(harness)
    hot = [event_id for event_id in published if event_id.startswith(f"{SHARD}:43:")]
    assert hot == [f"{SHARD}:43:{index}" for index in range(6_000)]
    assert sorted(set(published) - set(hot)) == [f"{SHARD}:42", f"{SHARD}:44"]
    assert len(published) == 6_002
    assert harness.dead_letters_written() == []
    assert harness.telemetry.counts.resumed > 2_000


def test_without_dead_letters_entries_in_front_of_poison_are_not_published_again() -> None:
    harness = SlowHarness(None)
    data = aggregate(field(1, b"k") + entry(b"hot") * 3 + entry(b"w0rd") + entry(b"hot"))
    consumer = harness.environment()
    for _ in range(2):
        assert consumer.handle(event(data, first=42))["batchItemFailures"] == failed(42)

    assert published_ids(harness) == [f"{SHARD}:42:{index}" for index in (0, 1, 2, 4, 4)]


def test_slow_poison_is_dead_lettered_over_several_invocations(harness: SlowHarness) -> None:
    decode = harness.model.decode

    def slow_decode(content: bytes, arrived_at: float) -> str | None:
        harness.clock.advance(0.01)
        return decode(content, arrived_at)

    harness.model.decode = slow_decode  # type: ignore[method-assign]
    records = event(hot_record(12_481, b"0"))["Records"]

    assert invoke_until_done(harness.environment(), records) == 3
    assert len(harness.dead_letters_written()) == 12_481


@pytest.mark.parametrize("change", ["data", "stream", "number"])
def test_another_record_is_not_taken_for_the_unfinished_one(
    harness: SlowHarness, change: str
) -> None:
    consumer = harness.environment()
    consumer.handle(event(hot_record(3_000)), context(60))
    other = record(hot_record(3_000), 1)
    if change == "data":
        other = record(hot_record(2_999), 1)
    elif change == "stream":
        other["eventSourceARN"] += "2"
    else:
        other = record(hot_record(3_000), 2)

    consumer.handle({"Records": [other]}, context(60))

    assert harness.telemetry.counts.resumed == 0


def test_a_test_run_does_not_resume(harness: SlowHarness) -> None:
    data = aggregate(field(1, b"k") + entry(b"hot") * 3 + entry(b"w0rd"))
    consumer = harness.environment(publisher=None, dead_letters=None)
    for _ in range(2):
        assert len(consumer.handle(event(data))["predictions"]) == 3


def test_in_ever_new_environments_an_old_record_is_dead_lettered_as_far_as_it_is_not_done(
    harness: SlowHarness,
) -> None:
    records = event(hot_record(6_000), b"bye", first=42)["Records"]
    for _ in range(2):
        response = harness.handle({"Records": records}, context(60))
        assert response["batchItemFailures"] == failed(42)
        assert harness.dead_letters_written() == []
    harness.age = NOT_FINISHED_SECONDS

    response = harness.handle({"Records": records}, context(60))

    assert response["batchItemFailures"] == failed(43)  # the record behind it goes on
    done = published_ids(harness)
    dead = [line["event_id"] for line in harness.dead_letters_written()]
    assert {*done, *dead} == {f"{SHARD}:42:{index}" for index in range(6_000)}
    assert {line["error_type"] for line in harness.dead_letters_written()} == {"NotFinished"}
    assert harness.telemetry.counts.received == 6_001
    assert harness.clock.now() < 3 * 60


def test_an_old_record_that_makes_no_progress_has_failed_as_in_an_outage(
    harness: SlowHarness,
) -> None:
    harness.age = NOT_FINISHED_SECONDS
    harness.kinesis.refuse = lambda _entry: THROTTLED

    response = harness.handle(event(hot_record(3_000), b"bye", first=42), context(60))

    assert response["batchItemFailures"] == failed(42)
    assert harness.dead_letters_written() == []


def test_an_old_record_that_is_not_the_first_of_its_batch_has_failed(harness: SlowHarness) -> None:
    harness.age = NOT_FINISHED_SECONDS

    response = harness.handle(event(b"bye", hot_record(3_000), first=42), context(60))

    assert response["batchItemFailures"] == failed(43)
    assert harness.dead_letters_written() == []


@pytest.mark.parametrize("dead_letters", [None, BrokenStorage()])
def test_an_old_record_that_cannot_be_dead_lettered_has_failed(
    harness: SlowHarness, dead_letters: Any
) -> None:
    harness.age = NOT_FINISHED_SECONDS

    consumer = harness.environment(dead_letters=dead_letters)
    response = consumer.handle(event(hot_record(3_000), first=42), context(60))

    assert response["batchItemFailures"] == failed(42)


@settings(max_examples=100, deadline=None)
@given(
    sent=st.lists(
        st.lists(st.sampled_from(["ant", "ape", "bee", "w0rd", "unknown"]), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    ),
    invocations=st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=12),
    old=st.booleans(),
)
def test_whatever_time_and_environment_an_invocation_gets_nothing_is_lost_or_out_of_order(
    sent: list[list[str]],
    invocations: list[tuple[int, bool]],
    old: bool,  # noqa: FBT001
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    harness = SlowHarness(tmp_path_factory.mktemp("dead"))
    harness.age = NOT_FINISHED_SECONDS if old else 2.0
    records = [
        record(aggregate(field(1, b"k") + b"".join(entry(w.encode()) for w in words)), number)
        for number, words in enumerate(sent, 1)
    ]
    consumer = harness.environment()
    for calls, fresh in invocations:
        if fresh:
            consumer = harness.environment()
        # Half of such a short time is for publishing.
        response = consumer.handle({"Records": records}, context(2 * CALL * calls + CALL / 2))
        returned = [int(each["itemIdentifier"]) for each in response["batchItemFailures"]]
        records = [
            each
            for each in records
            if returned and int(each["kinesis"]["sequenceNumber"]) >= returned[0]
        ]
    invoke_until_done(consumer, records)

    first_seen = list(dict.fromkeys(published_ids(harness)))
    dead = {line["event_id"]: line for line in harness.dead_letters_written()}
    events = {
        f"{SHARD}:{number}:{index}": word
        for number, words in enumerate(sent, 1)
        for index, word in enumerate(words)
    }
    for event_id, word in events.items():
        is_poison = dead.get(event_id, {}).get("error_type") == "InvalidEvent"
        assert is_poison == (word == "w0rd")
        assert word in {"w0rd", "unknown"} or event_id in first_seen or event_id in dead
    for key in "ab":
        order = [e for e in first_seen if events[e].startswith(key)]
        assert order == [e for e in events if e in order]


def remember(progress: Progress, unfinished: dict[str, Any], done: int) -> None:
    progress.update([unfinished], unfinished["kinesis"]["sequenceNumber"], Done(done))


def test_only_so_many_unfinished_records_are_remembered() -> None:
    progress = Progress()
    records = [record(b"x", number) for number in range(RECORDS + 1)]
    for each in records:
        remember(progress, each, 7)

    assert [progress.resume([each]).entries for each in records[:2]] == [0, 7]


def test_the_record_that_was_worked_on_last_is_remembered_longest() -> None:
    progress = Progress()
    records = [record(b"x", number) for number in range(RECORDS + 1)]
    for done, number in [(1, 0), *((1, number) for number in range(1, RECORDS)), (2, 0)]:
        remember(progress, records[number], done)
    remember(progress, records[RECORDS], 1)

    assert [progress.resume([each]).entries for each in records[:2]] == [2, 0]


def test_one_entry_that_is_done_is_remembered() -> None:
    progress, first = Progress(), record(b"x", 1)
    remember(progress, first, 1)

    assert progress.resume([first]) == Done(1)


def test_a_record_of_which_nothing_is_done_displaces_no_other() -> None:
    progress = Progress()
    records = [record(b"x", number) for number in range(RECORDS + 1)]
    for each in records[:RECORDS]:
        remember(progress, each, 7)

    remember(progress, records[RECORDS], 0)

    assert progress.resume([records[0]]) == Done(7)


def test_a_batch_without_records_resumes_nothing() -> None:
    progress, first = Progress(), record(b"x", 1)
    remember(progress, first, 7)

    assert progress.resume([]) == Done()
    assert progress.resume([first]) == Done(7)


def test_a_record_that_is_finished_is_forgotten(harness: SlowHarness) -> None:
    consumer = harness.environment()
    batch = event(hot_record(3_000), b"bye")
    assert invoke_until_done(consumer, batch["Records"]) == 2

    consumer.handle(batch, context(60))

    assert harness.telemetry.counts.resumed == 0


def test_what_is_done_is_remembered_when_memory_is_short(harness: SlowHarness) -> None:
    consumer = harness.environment()
    batch = event(hot_record(3_000), b"exhausting", first=42)
    assert consumer.handle(batch, context(60))["batchItemFailures"] == failed(42)
    done = len(harness.published())
    for _ in range(3):
        with pytest.raises(MemoryError):
            consumer.handle(batch, context(120))

    ids = published_ids(harness)
    assert ids[:done] == [f"{SHARD}:42:{index}" for index in range(done)]
    assert f"{SHARD}:42:0" not in ids[done:]
    assert harness.dead_letters_written() == []


@pytest.mark.parametrize("odd", [None, {}, {"kinesis": {}}, {"kinesis": {"data": []}}])
def test_a_record_without_identity_is_not_remembered(odd: Any) -> None:
    progress = Progress()
    progress.update([odd], "1", Done(7))
    assert progress.resume([odd]) == Done()


@pytest.mark.parametrize(
    "changes", [{"eventSourceARN": ["a"]}, {"eventSourceARN": {}}, {"kinesis": None}]
)
def test_a_malformed_record_is_never_one_that_is_not_finished(changes: dict[str, Any]) -> None:
    progress, first = Progress(), record(b"x", 1)
    progress.update([first], "1", Done(5))
    malformed = {**first, **changes}

    assert progress.resume([malformed]) == Done()
    progress.update([malformed, first], "1", Done(7))
    progress.update([], None, Done())
    assert progress.resume([first]) == Done(7)
