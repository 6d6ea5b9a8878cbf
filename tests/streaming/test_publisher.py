"""Which calls a publisher makes, what it accepts, and the order within a partition key."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from botocore.exceptions import (
    ReadTimeoutError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.publisher import (
    CALL_BYTES,
    DEFAULT_ENTRY_BYTES,
    ENTRY_BYTES,
    Entry,
    Publisher,
    refused_entries,
)
from tests.fakes.clock import Clock
from tests.streaming.publisher_environment import STREAM, THROTTLED, Environment, entries, entry


@pytest.fixture
def environment() -> Environment:
    return Environment()


def test_entries_are_put_in_calls_of_500(environment: Environment) -> None:
    published = environment.publisher.publish(entries(1001), deadline=60)

    assert [len(call) for call in environment.calls()] == [500, 500, 1]
    assert environment.written() == [entry["Data"] for entry in entries(1001)]
    assert (published.accepted, published.retried, published.failure) == (1001, 0, None)


def test_a_call_of_several_entries_has_at_most_five_mebibytes(environment: Environment) -> None:
    large = [entry(bytes(1024 * 1024 - 10), f"key-{number}") for number in range(12)]

    published = environment.publisher.publish(large, deadline=60)

    assert published.accepted == 12
    for call in environment.calls():
        assert sum(len(e["Data"]) + len(e["PartitionKey"]) for e in call) <= CALL_BYTES


def test_nothing_to_publish_makes_no_call(environment: Environment) -> None:
    assert environment.publisher.publish([], deadline=60).accepted == 0
    assert environment.calls() == []


@pytest.mark.parametrize(
    ("bad", "allowed"),
    [
        (entry(bytes(DEFAULT_ENTRY_BYTES)), entry(bytes(DEFAULT_ENTRY_BYTES - 1))),
        (entry(bytes(DEFAULT_ENTRY_BYTES - 1), "é"), entry(bytes(DEFAULT_ENTRY_BYTES - 2), "é")),
        (entry(key=""), entry(key="k")),
        (entry(key="é" * 257), entry(key="é" * 256)),
    ],
    ids=["too large", "too large with its key", "no key", "key too long"],
)
def test_unacceptable_entries_are_returned_and_the_others_put(
    environment: Environment, bad: Entry, allowed: Entry
) -> None:
    published = environment.publisher.publish([entry(), bad, allowed], deadline=60)

    assert published.unacceptable == [1]
    assert published.accepted == 2
    assert environment.written() == [b"x", allowed["Data"]]


def test_an_entry_above_the_default_limit_is_put_if_the_stream_takes_it(
    environment: Environment,
) -> None:
    environment.kinesis.record_bytes = ENTRY_BYTES
    large = entry(bytes(ENTRY_BYTES - 1))
    put = [entry(b"1", "a"), large, entry(b"2", "b"), entry(bytes(ENTRY_BYTES), "c")]

    published = environment.publisher.publish(put, deadline=60)

    assert (published.accepted, published.unacceptable) == (3, [3])
    assert environment.calls() == [put[:1], [large], put[2:3]]


@pytest.mark.parametrize("code", ["ValidationException", "InvalidArgumentException"])
def test_an_entry_above_the_streams_limit_is_unacceptable_and_the_others_are_put(
    environment: Environment, code: str
) -> None:
    environment.kinesis.too_large = code
    put = [entry(b"1", "a"), entry(bytes(DEFAULT_ENTRY_BYTES), "a"), entry(b"2", "a")]

    published = environment.publisher.publish(put, deadline=60)

    assert (published.accepted, published.unacceptable, published.refused) == (2, [1], [])
    assert (published.failure, environment.clock.sleeps) == (None, [])
    assert environment.written() == [b"1", b"2"]


def test_an_entry_that_is_refused_by_its_own_error_code_for_its_size_is_unacceptable(
    environment: Environment,
) -> None:
    environment.kinesis.record_bytes = ENTRY_BYTES
    environment.kinesis.refuse = lambda e: "ValidationException" if len(e["Data"]) > 9 else None

    published = environment.publisher.publish(
        [entry(bytes(DEFAULT_ENTRY_BYTES)), entry(b"1")], deadline=60
    )

    assert (published.accepted, published.unacceptable) == (1, [0])


def test_all_unacceptable_entries_are_returned_whatever_the_reason(
    environment: Environment,
) -> None:
    environment.kinesis.record_bytes = DEFAULT_ENTRY_BYTES
    large = entry(bytes(DEFAULT_ENTRY_BYTES))
    put = [large, entry(b"1"), entry(key=""), large]

    published = environment.publisher.publish(put, deadline=60)

    assert (published.accepted, published.unacceptable) == (1, [0, 2, 3])


def test_an_entry_of_just_the_default_limit_is_put_with_others_and_is_no_question_of_size(
    environment: Environment,
) -> None:
    put = [entry(b"1", "a"), entry(bytes(DEFAULT_ENTRY_BYTES - 1), "b")]
    environment.publisher.publish(put, deadline=60)
    environment.kinesis.fail("put_records", "ValidationException")
    published = environment.publisher.publish(put[1:], deadline=60)

    assert environment.calls()[0] == put
    assert (published.unacceptable, published.refused) == ([], [0])


def test_a_small_entry_that_is_refused_as_invalid_is_no_question_of_size(
    environment: Environment,
) -> None:
    environment.kinesis.fail("put_records", "ValidationException")

    published = environment.publisher.publish([entry()], deadline=60)

    assert (published.unacceptable, published.refused) == ([], [0])


def test_entries_of_one_partition_key_are_never_in_one_call(environment: Environment) -> None:
    ordered = [entry(b"a1", "a"), entry(b"b1", "b"), entry(b"a2", "a"), entry(b"a3", "a")]

    published = environment.publisher.publish(ordered, deadline=60)

    assert [[e["Data"] for e in call] for call in environment.calls()] == [
        [b"a1", b"b1"],
        [b"a2"],
        [b"a3"],
    ]
    assert (published.accepted, published.successive_calls) == (4, 3)


def test_entries_of_different_partition_keys_need_no_successive_calls(
    environment: Environment,
) -> None:
    assert environment.publisher.publish(entries(3), deadline=60).successive_calls == 1


def test_an_entry_waits_until_the_previous_one_of_its_key_is_accepted(
    environment: Environment,
) -> None:
    refusals = iter([THROTTLED, None])
    environment.kinesis.refuse = lambda _entry: next(refusals, None)

    environment.publisher.publish(
        [entry(b"a1", "a"), entry(b"b1", "b"), entry(b"a2", "a"), entry(b"b2", "b")], deadline=60
    )

    assert environment.written() == [b"b1", b"b2", b"a1", b"a2"]


def test_an_entry_that_waits_for_a_refused_one_is_refused_too(environment: Environment) -> None:
    environment.kinesis.refuse = lambda e: THROTTLED if e["Data"] == b"a1" else None

    published = environment.publisher.publish(
        [entry(b"a1", "a"), entry(b"b1", "b"), entry(b"a2", "a")], deadline=5
    )

    assert published.refused == [0, 2]
    assert environment.written() == [b"b1"]


@settings(max_examples=200, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcde"), max_size=40),
    outcomes=st.lists(st.booleans(), max_size=200),
    faults=st.lists(st.sampled_from([None, THROTTLED, "AccessDenied", "lost"]), max_size=10),
)
def test_each_entry_is_accepted_or_refused_and_each_partition_key_is_in_order(
    keys: list[str], outcomes: list[bool], faults: list[str | None]
) -> None:
    environment = Environment()
    put = [entry(str(number).encode(), key) for number, key in enumerate(keys)]
    accepted = iter(outcomes)
    environment.kinesis.refuse = lambda _entry: None if next(accepted, True) else THROTTLED
    for fault in faults:
        if fault == "lost":
            environment.kinesis.lose_answer(
                "put_records", ReadTimeoutError(endpoint_url="http://k")
            )
        else:
            environment.kinesis.fail("put_records", fault)

    published = environment.publisher.publish(put, deadline=8)

    first_seen: defaultdict[str, list[int]] = defaultdict(list)
    for number in map(int, environment.written()):
        if number not in first_seen[keys[number]]:
            first_seen[keys[number]].append(number)
    assert published.accepted + len(published.refused) == len(put)
    assert {int(data) for data in environment.written()} >= set(range(len(put))) - set(
        published.refused
    )
    for numbers in first_seen.values():
        assert numbers == sorted(numbers)


def test_an_entry_with_an_error_code_is_refused_although_it_has_a_sequence_number() -> None:
    results = [{"SequenceNumber": "1"}, {"SequenceNumber": "2", "ErrorCode": THROTTLED}]

    assert refused_entries({"FailedRecordCount": 1, "Records": results}, 2) == {1: THROTTLED}


def test_a_response_that_contradicts_the_call_is_an_error_with_the_numbers() -> None:
    response = {"FailedRecordCount": 1, "Records": [{"SequenceNumber": "1"}] * 2}

    with pytest.raises(ValueError, match=r"^2 results, 1 of them failed, for 3 entries$"):
        refused_entries(response, 3)


ACCEPTED = {"SequenceNumber": "1"}
RESULTS = st.sampled_from([ACCEPTED, {"ErrorCode": THROTTLED}, {"SequenceNumber": None}, {}, None])


@given(count=st.sampled_from([0, 1, 2, 3, None]), results=st.lists(RESULTS, max_size=4))
def test_an_entry_is_accepted_only_if_the_response_says_so(
    count: int | None, results: list[dict[str, Any]]
) -> None:
    clock = Clock()

    class Answering:
        def put_records(self, **_: Any) -> Any:
            clock.advance(1)
            return {"FailedRecordCount": count, "Records": results}

    publisher = Publisher(Answering(), STREAM, clock=clock.now, sleep=clock.sleep)

    published = publisher.publish(entries(3), deadline=1)

    numbered = [position for position in range(len(results)) if results[position] == ACCEPTED]
    consistent = (len(results), count) == (3, 3 - len(numbered)) and None not in results
    assert published.accepted == (len(numbered) if consistent else 0)
    assert published.accepted + len(published.refused) == 3
