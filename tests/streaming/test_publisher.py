from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.publisher import CALL_BYTES, ENTRY_BYTES, Entry, Publisher
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAM = "ride_predictions"
THROTTLED = "ProvisionedThroughputExceededException"


def entry(data: bytes = b"x", key: str = "k") -> Entry:
    return Entry(Data=data, PartitionKey=key)


def entries(count: int) -> list[Entry]:
    """Build entries that are told apart, each with a key of its own."""
    return [entry(str(number).encode(), f"key-{number}") for number in range(count)]


class Stage:
    """A publisher, the stream it publishes on, and the clock of both."""

    def __init__(self, jitter: float = 1.0) -> None:
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=1)
        self.publisher = Publisher(
            self.kinesis,
            STREAM,
            clock=self.clock.now,
            sleep=self.clock.sleep,
            jitter=lambda: jitter,
        )

    def calls(self) -> list[Sequence[Entry]]:
        return [given["Records"] for name, given in self.kinesis.calls if name == "put_records"]

    def written(self) -> list[bytes]:
        return self.kinesis.payloads(STREAM)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_entries_go_out_in_calls_of_500(stage: Stage) -> None:
    published = stage.publisher.publish(entries(1001), deadline=60)

    assert [len(call) for call in stage.calls()] == [500, 500, 1]
    assert stage.written() == [entry["Data"] for entry in entries(1001)]
    assert (published.accepted, published.retried, published.failure) == (1001, 0, None)


def test_a_call_stays_under_five_mebibytes(stage: Stage) -> None:
    large = [entry(bytes(1024 * 1024 - 10), f"key-{number}") for number in range(12)]

    published = stage.publisher.publish(large, deadline=60)

    assert published.accepted == 12
    for call in stage.calls():
        assert sum(len(e["Data"]) + len(e["PartitionKey"]) for e in call) <= CALL_BYTES


def test_nothing_to_publish_makes_no_call(stage: Stage) -> None:
    assert stage.publisher.publish([], deadline=60).accepted == 0
    assert stage.calls() == []


@pytest.mark.parametrize(
    ("bad", "allowed"),
    [
        (entry(bytes(ENTRY_BYTES)), entry(bytes(ENTRY_BYTES - 1))),
        (entry(bytes(ENTRY_BYTES - 1), "é"), entry(bytes(ENTRY_BYTES - 2), "é")),
        (entry(key=""), entry(key="k")),
        (entry(key="é" * 257), entry(key="é" * 256)),
    ],
    ids=["too large", "too large with its key", "no key", "key too long"],
)
def test_what_kinesis_never_takes_is_told_and_not_sent(
    stage: Stage, bad: Entry, allowed: Entry
) -> None:
    published = stage.publisher.publish([entry(), bad, allowed], deadline=60)

    assert published.unacceptable == [1]
    assert published.accepted == 2
    assert stage.written() == [b"x", allowed["Data"]]


def test_only_the_refused_entries_are_resent(stage: Stage) -> None:
    refusals = iter([None, THROTTLED, None, "InternalFailure"])
    stage.kinesis.refuse = lambda _entry: next(refusals, None)

    published = stage.publisher.publish(entries(4), deadline=60)

    assert [[e["Data"] for e in call] for call in stage.calls()] == [
        [b"0", b"1", b"2", b"3"],
        [b"1", b"3"],
    ]
    assert (published.accepted, published.retried) == (4, 2)


def test_fresh_entries_go_before_a_wait_for_refused_ones(stage: Stage) -> None:
    stage.kinesis.refuse = lambda _entry: THROTTLED if len(stage.calls()) == 1 else None

    stage.publisher.publish(entries(600), deadline=60)

    assert [len(call) for call in stage.calls()] == [500, 100, 500]
    assert len(stage.clock.sleeps) == 1


def test_waits_double_up_to_a_cap_and_start_anew_after_a_success(stage: Stage) -> None:
    stage.kinesis.fail("put_records", *[THROTTLED] * 8)

    stage.publisher.publish(entries(1), deadline=60)

    assert stage.clock.sleeps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_waits_are_drawn_from_zero_to_their_bound() -> None:
    stage = Stage(jitter=0.25)
    stage.kinesis.fail("put_records", THROTTLED, THROTTLED)

    stage.publisher.publish(entries(1), deadline=60)

    assert stage.clock.sleeps == [0.025, 0.05]


@pytest.mark.parametrize(
    "failure",
    [
        THROTTLED,
        "KMSThrottlingException",
        "InternalFailure",
        ReadTimeoutError(endpoint_url="http://kinesis"),
        ConnectTimeoutError(endpoint_url="http://kinesis"),
        EndpointConnectionError(endpoint_url="http://kinesis"),
    ],
    ids=str,
)
def test_a_call_that_fails_as_a_whole_is_made_again(stage: Stage, failure: Any) -> None:
    stage.kinesis.fail("put_records", failure)

    published = stage.publisher.publish(entries(3), deadline=60)

    assert (published.accepted, published.retried) == (3, 3)
    assert stage.written() == [b"0", b"1", b"2"]


def test_after_a_lost_answer_entries_may_stand_twice_but_never_not_at_all(stage: Stage) -> None:
    stage.kinesis.lose_answer("put_records", ReadTimeoutError(endpoint_url="http://kinesis"))

    published = stage.publisher.publish(entries(2), deadline=60)

    assert published.accepted == 2
    assert stage.written() == [b"0", b"1", b"0", b"1"]


@pytest.mark.parametrize(
    "failure", ["ResourceNotFoundException", "AccessDeniedException", NoCredentialsError()], ids=str
)
def test_a_failure_that_will_stay_ends_the_attempt(stage: Stage, failure: Any) -> None:
    stage.kinesis.fail("put_records", None, failure)

    published = stage.publisher.publish(entries(1200), deadline=60)

    assert published.accepted == 500
    assert published.refused == list(range(500, 1200))
    assert "cannot put on ride_predictions" in str(published.failure)
    assert stage.clock.sleeps == []


@pytest.mark.parametrize(
    "answer",
    [
        {"FailedRecordCount": 1, "Records": [{"ErrorCode": "InternalFailure"}]},
        {"FailedRecordCount": 1, "Records": [{"SequenceNumber": "1"}] * 3},
        {"FailedRecordCount": None, "Records": None},
        {"FailedRecordCount": 1, "Records": [None] * 3},
        {"Records": []},
        {},
        None,
        [1],
    ],
    ids=repr,
)
def test_what_is_no_answer_leaves_unknown_what_was_written(stage: Stage, answer: Any) -> None:
    answers = [answer]

    class Odd:
        def put_records(self, **given: Any) -> Any:
            return answers.pop() if answers else stage.kinesis.put_records(**given)

    publisher = Publisher(Odd(), STREAM, clock=stage.clock.now, sleep=stage.clock.sleep)

    assert publisher.publish(entries(3), deadline=60).accepted == 3
    assert stage.written() == [b"0", b"1", b"2"]


def test_what_the_client_cannot_read_is_sent_again(stage: Stage) -> None:
    stage.kinesis.fail("put_records", AttributeError("'list' object has no attribute 'get'"))

    assert stage.publisher.publish(entries(3), deadline=60).accepted == 3


def test_a_lack_of_memory_is_not_the_networks_fault(stage: Stage) -> None:
    stage.kinesis.fail("put_records", MemoryError())

    with pytest.raises(MemoryError):
        stage.publisher.publish(entries(3), deadline=60)


def test_the_reason_of_a_refusal_outlives_later_successes(stage: Stage) -> None:
    stage.kinesis.refuse = lambda e: THROTTLED if e["PartitionKey"] == "key-0" else None

    published = stage.publisher.publish(entries(600), deadline=0.05)

    assert published.refused == [0]
    assert published.failure == THROTTLED


def test_waits_are_short_again_after_progress(stage: Stage) -> None:
    stage.kinesis.fail("put_records", THROTTLED, THROTTLED, None, THROTTLED)
    refusals = iter([None, THROTTLED])
    stage.kinesis.refuse = lambda _entry: next(refusals, None)

    stage.publisher.publish(entries(2), deadline=60)

    assert stage.clock.sleeps == [0.1, 0.2, 0.1, 0.2]


def test_no_call_and_no_wait_goes_beyond_the_deadline(stage: Stage) -> None:
    stage.kinesis.refuse = lambda e: THROTTLED if e["Data"] == b"1" else None

    published = stage.publisher.publish(entries(3), deadline=2.0)

    assert stage.clock.now() < 2.0
    assert published.refused == [1]
    assert published.failure == THROTTLED
    assert stage.written() == [b"0", b"2"]


def test_after_the_deadline_nothing_is_sent(stage: Stage) -> None:
    published = stage.publisher.publish(entries(3), deadline=0.0)

    assert published.refused == [0, 1, 2]
    assert stage.calls() == []


def test_entries_of_one_key_are_never_in_one_call(stage: Stage) -> None:
    ordered = [entry(b"a1", "a"), entry(b"b1", "b"), entry(b"a2", "a"), entry(b"a3", "a")]

    published = stage.publisher.publish(ordered, deadline=60)

    assert [[e["Data"] for e in call] for call in stage.calls()] == [
        [b"a1", b"b1"],
        [b"a2"],
        [b"a3"],
    ]
    assert published.accepted == 4


def test_an_entry_waits_until_the_one_before_it_is_accepted(stage: Stage) -> None:
    refusals = iter([THROTTLED, None])
    stage.kinesis.refuse = lambda _entry: next(refusals, None)

    stage.publisher.publish(
        [entry(b"a1", "a"), entry(b"b1", "b"), entry(b"a2", "a"), entry(b"b2", "b")], deadline=60
    )

    assert stage.written() == [b"b1", b"b2", b"a1", b"a2"]


def test_who_waits_behind_a_refused_entry_is_refused_with_it(stage: Stage) -> None:
    stage.kinesis.refuse = lambda e: THROTTLED if e["Data"] == b"a1" else None

    published = stage.publisher.publish(
        [entry(b"a1", "a"), entry(b"b1", "b"), entry(b"a2", "a")], deadline=5
    )

    assert published.refused == [0, 2]
    assert stage.written() == [b"b1"]


@settings(max_examples=200, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcde"), max_size=40),
    outcomes=st.lists(st.booleans(), max_size=200),
    faults=st.lists(st.sampled_from([None, THROTTLED, "AccessDenied", "lost"]), max_size=10),
)
def test_each_entry_is_accepted_or_refused_and_every_key_keeps_its_order(
    keys: list[str], outcomes: list[bool], faults: list[str | None]
) -> None:
    stage = Stage()
    put = [entry(str(number).encode(), key) for number, key in enumerate(keys)]
    taking = iter(outcomes)
    stage.kinesis.refuse = lambda _entry: None if next(taking, True) else THROTTLED
    for fault in faults:
        if fault == "lost":
            stage.kinesis.lose_answer("put_records", ReadTimeoutError(endpoint_url="http://k"))
        else:
            stage.kinesis.fail("put_records", fault)

    published = stage.publisher.publish(put, deadline=8)

    first_seen: defaultdict[str, list[int]] = defaultdict(list)
    for number in map(int, stage.written()):
        if number not in first_seen[keys[number]]:
            first_seen[keys[number]].append(number)
    assert published.accepted + len(published.refused) == len(put)
    assert {int(data) for data in stage.written()} >= set(range(len(put))) - set(published.refused)
    for numbers in first_seen.values():
        assert numbers == sorted(numbers)
