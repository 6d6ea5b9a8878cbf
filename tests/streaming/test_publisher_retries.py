"""What a publisher sends again, how long it waits, and when it stops."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from streaming.publisher import Publisher
from tests.streaming.publisher_environment import STREAM, THROTTLED, Environment, entries, entry


@pytest.fixture
def environment() -> Environment:
    return Environment()


def test_only_the_refused_entries_are_resent(environment: Environment) -> None:
    refusals = iter([None, THROTTLED, None, "InternalFailure"])
    environment.kinesis.refuse = lambda _entry: next(refusals, None)

    published = environment.publisher.publish(entries(4), deadline=60)

    assert [[e["Data"] for e in call] for call in environment.calls()] == [
        [b"0", b"1", b"2", b"3"],
        [b"1", b"3"],
    ]
    assert (published.accepted, published.retried, published.failure) == (4, 2, None)


def test_new_entries_are_sent_before_a_wait_for_refused_ones(environment: Environment) -> None:
    environment.kinesis.refuse = lambda _entry: THROTTLED if len(environment.calls()) == 1 else None

    environment.publisher.publish(entries(600), deadline=60)

    assert [len(call) for call in environment.calls()] == [500, 100, 500]
    assert len(environment.clock.sleeps) == 1


def test_waits_double_up_to_a_cap(environment: Environment) -> None:
    environment.kinesis.fail("put_records", *[THROTTLED] * 8)

    assert environment.publisher.publish(entries(1), deadline=60).retried == 8

    assert environment.clock.sleeps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_waits_have_full_jitter() -> None:
    environment = Environment(jitter=0.25)
    environment.kinesis.fail("put_records", THROTTLED, THROTTLED)

    environment.publisher.publish(entries(1), deadline=60)

    assert environment.clock.sleeps == [0.025, 0.05]


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
def test_a_call_that_fails_as_a_whole_is_retried(environment: Environment, failure: Any) -> None:
    environment.kinesis.fail("put_records", failure)

    published = environment.publisher.publish(entries(3), deadline=60)

    assert (published.accepted, published.retried) == (3, 3)
    assert environment.written() == [b"0", b"1", b"2"]


def test_entries_whose_response_was_lost_are_resent_and_may_be_duplicated(
    environment: Environment,
) -> None:
    environment.kinesis.lose_answer("put_records", ReadTimeoutError(endpoint_url="http://kinesis"))

    published = environment.publisher.publish(entries(2), deadline=60)

    assert published.accepted == 2
    assert environment.written() == [b"0", b"1", b"0", b"1"]


@pytest.mark.parametrize(
    "failure", ["ResourceNotFoundException", "AccessDeniedException", NoCredentialsError()], ids=str
)
def test_a_permanent_failure_is_not_retried(environment: Environment, failure: Any) -> None:
    environment.kinesis.fail("put_records", None, failure)

    published = environment.publisher.publish(entries(1200), deadline=60)

    assert published.accepted == 500
    assert published.refused == list(range(500, 1200))
    reason = failure if isinstance(failure, str) else type(failure).__name__
    assert str(published.failure).startswith(f"cannot put on ride_predictions: {reason}")
    assert environment.clock.sleeps == []


@pytest.mark.parametrize(
    "malformed",
    [
        {"FailedRecordCount": 0},
        {"FailedRecordCount": 0, "Records": None},
        {"FailedRecordCount": 0, "Records": []},
        {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}] * 2},
        {"FailedRecordCount": 0, "Records": [{"ErrorCode": "InternalFailure"}] * 3},
        {"FailedRecordCount": 0, "Records": [{}] * 3},
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
def test_a_call_with_a_malformed_response_is_retried(
    environment: Environment, malformed: Any
) -> None:
    responses = [malformed]

    class MalformedOnce:
        def put_records(self, **arguments: Any) -> Any:
            return responses.pop() if responses else environment.kinesis.put_records(**arguments)

    publisher = Publisher(
        MalformedOnce(), STREAM, clock=environment.clock.now, sleep=environment.clock.sleep
    )

    assert publisher.publish(entries(3), deadline=60).accepted == 3
    assert environment.written() == [b"0", b"1", b"2"]


def test_a_call_whose_response_botocore_cannot_parse_is_retried(environment: Environment) -> None:
    environment.kinesis.fail("put_records", AttributeError("'list' object has no attribute 'get'"))

    assert environment.publisher.publish(entries(3), deadline=60).accepted == 3


def test_a_lack_of_memory_is_not_retried(environment: Environment) -> None:
    environment.kinesis.fail("put_records", MemoryError())

    with pytest.raises(MemoryError):
        environment.publisher.publish(entries(3), deadline=60)


def test_the_reason_for_a_refusal_is_kept_after_later_successes(environment: Environment) -> None:
    environment.kinesis.refuse = lambda e: THROTTLED if e["PartitionKey"] == "key-0" else None

    published = environment.publisher.publish(entries(600), deadline=0.05)

    assert published.refused == [0]
    assert published.failure == THROTTLED


def test_waits_are_short_again_when_nothing_is_refused_any_more(environment: Environment) -> None:
    environment.kinesis.fail("put_records", THROTTLED, THROTTLED, None, THROTTLED, THROTTLED)

    environment.publisher.publish([entry(b"1"), entry(b"2")], deadline=60)

    assert environment.clock.sleeps == [0.1, 0.2, 0.1, 0.2]


def test_waits_grow_while_each_call_is_refused_in_part(environment: Environment) -> None:
    sizes: list[int] = []

    def accept_one_a_call(_entry: object) -> str | None:
        first = len(sizes) != len(environment.calls())
        sizes.extend([0] * first)
        return None if first else THROTTLED

    environment.kinesis.refuse = accept_one_a_call

    published = environment.publisher.publish(entries(9), deadline=60)

    assert published.accepted == 9
    assert environment.clock.sleeps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_waits_grow_while_one_shard_takes_everything_and_the_other_nothing(
    environment: Environment,
) -> None:
    environment.kinesis.refuse = lambda e: THROTTLED if e["PartitionKey"] == "full" else None
    waiting = [entry(str(number).encode(), "free") for number in range(4)]

    environment.publisher.publish([entry(b"x", "full"), *waiting], deadline=3.2)

    assert environment.clock.sleeps == [0.1, 0.2, 0.4, 0.8, 1.6]


def test_no_call_starts_and_no_wait_ends_after_the_deadline(environment: Environment) -> None:
    environment.kinesis.refuse = lambda e: THROTTLED if e["Data"] == b"1" else None

    published = environment.publisher.publish(entries(3), deadline=2.0)

    assert environment.clock.now() < 2.0
    assert published.refused == [1]
    assert published.failure == THROTTLED
    assert environment.written() == [b"0", b"2"]


def test_nothing_is_sent_after_the_deadline(environment: Environment) -> None:
    published = environment.publisher.publish(entries(3), deadline=0.0)

    assert (published.refused, published.failure) == ([0, 1, 2], None)
    assert environment.calls() == []


def test_a_wait_that_would_end_at_the_deadline_is_not_begun(environment: Environment) -> None:
    environment.kinesis.fail("put_records", THROTTLED)

    published = environment.publisher.publish(entries(1), deadline=0.1)

    assert (published.refused, published.retried) == ([0], 0)
    assert environment.clock.sleeps == []


def test_the_failure_of_calls_without_a_response_names_their_error(
    environment: Environment,
) -> None:
    lost = ReadTimeoutError(endpoint_url="http://kinesis")
    environment.kinesis.fail("put_records", *[lost] * 3)

    published = environment.publisher.publish(entries(2), deadline=0.5)

    assert (published.refused, published.failure) == (
        [0, 1],
        "ReadTimeoutError at http://kinesis",
    )
