import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import FunctionError, FunctionUnavailable
from local.event_source_mapping.batch_processor import BatchProcessor
from local.event_source_mapping.configuration import PARTIAL_RESPONSES, MappingConfiguration
from local.event_source_mapping.invocation_event import EncodedRecord
from local.event_source_mapping.mapping_metrics import MappingMetrics
from local.event_source_mapping.on_failure_destination import MappingIdentity
from streaming.errors import StorageError
from tests.fakes.clock import EPOCH, Clock
from tests.local.event_source_mapping.records import (
    STREAM_ARN,
    ScriptedFunction,
    batch,
    encoded,
    failed,
    numbers,
    stream_record,
)

RAISES = FunctionError("LookupError", "no such zone")
TIMES_OUT = FunctionError("Sandbox.Timedout", "Task timed out after 60.00 seconds")
UNREACHABLE = FunctionUnavailable("no emulator at 127.0.0.1:8080")


class KeptObjects:
    """A destination in memory that fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self._failures = failures

    def put(self, key: str, body: bytes) -> None:
        if self._failures:
            self._failures -= 1
            raise StorageError("disk full")
        self.objects[key] = json.loads(body)

    def numbers(self) -> list[list[int]]:
        return [
            [
                int(record["kinesis"]["sequenceNumber"])
                for record in json.loads(kept["payload"])["Records"]
            ]
            for kept in self.objects.values()
        ]


@dataclass
class Run:
    """A processor of batches and all that it meets."""

    function: ScriptedFunction
    settings: MappingConfiguration
    clock: Clock = field(default_factory=Clock)
    destination: KeptObjects = field(default_factory=KeptObjects)
    metrics: MappingMetrics = field(default_factory=MappingMetrics)
    finished: list[int] = field(default_factory=list)
    waits: int = 1_000_000
    retention: timedelta = timedelta(hours=24)

    def process(self, records: Sequence[EncodedRecord]) -> bool:
        return BatchProcessor(
            settings=self.settings,
            identity=MappingIdentity("mapping", STREAM_ARN, "arn:function"),
            function=self.function,
            destination=self.destination,
            retention=self.retention,
            metrics=self.metrics,
            finished=lambda records: self.finished.extend(numbers(records)),
            wait=self._wait,
            now=self.clock.utc,
            jitter=lambda: 1.0,
        ).process(records)

    def _wait(self, seconds: float) -> bool:
        self.clock.sleep(seconds)
        self.waits -= 1
        return self.waits < 0


@dataclass(frozen=True)
class Rule:
    """One of AWS's rules: what the function answers to the records 1, 2, 3, 4, and what follows."""

    words: str
    answers: Sequence[Any]
    invocations: Sequence[Sequence[int]]
    discarded: Sequence[Sequence[int]] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


PARTIAL: dict[str, Any] = {"function_response_types": (PARTIAL_RESPONSES,)}
BISECT: dict[str, Any] = {"bisect_batch_on_function_error": True}
ALL = [1, 2, 3, 4]

SUCCESS = [
    Rule("an empty batchItemFailures list is complete success", [failed()], [ALL]),
    Rule("a null batchItemFailures list is complete success", [{"batchItemFailures": None}], [ALL]),
    Rule("an empty response is complete success", [{}], [ALL]),
    Rule("a null response is complete success", [None], [ALL]),
    Rule("an empty text is complete success", [""], [ALL]),
]
COMPLETE_FAILURE = [
    Rule("an exception fails the whole batch", [RAISES], [ALL, ALL]),
    Rule("a timeout fails the whole batch", [TIMES_OUT], [ALL, ALL]),
    Rule("an empty itemIdentifier fails the whole batch", [failed("")], [ALL, ALL]),
    Rule("a null itemIdentifier fails the whole batch", [failed(None)], [ALL, ALL]),
    Rule(
        "an identifier under a wrong key fails the whole batch",
        [{"batchItemFailures": [{"sequenceNumber": "3"}]}],
        [ALL, ALL],
    ),
    Rule("one bad identifier among good ones does too", [failed("3", "")], [ALL, ALL]),
    Rule("an identifier of another batch fails the whole batch", [failed("99")], [ALL, ALL]),
    Rule("an identifier that is no text fails the whole batch", [failed(3)], [ALL, ALL]),
    Rule("failures that are no list fail it", [{"batchItemFailures": "3"}], [ALL, ALL]),
    Rule("a list of something else fails it", [{"batchItemFailures": ["3"]}], [ALL, ALL]),
    Rule("a response that is no object fails it", ["done"], [ALL, ALL]),
    Rule("a response that is no JSON fails it", [float("nan")], [ALL, ALL]),
]
PARTIAL_FAILURE = [
    Rule(
        "the checkpoint is the reported number, the rest is retried", [failed("3")], [ALL, [3, 4]]
    ),
    Rule("of several identifiers the lowest counts", [failed("4", "2")], [ALL, [2, 3, 4]]),
    Rule("the first record reported retries everything", [failed("1")], [ALL, ALL]),
]
RETRIES = [
    Rule(
        "a failed batch is tried MaximumRetryAttempts times again, then discarded",
        [RAISES] * 3,
        [ALL] * 3,
        [ALL],
        {"maximum_retry_attempts": 2},
    ),
    Rule("no retries discard it at once", [RAISES], [ALL], [ALL], {"maximum_retry_attempts": 0}),
    Rule("-1 retries until it succeeds", [RAISES] * 20, [ALL] * 21, [], {}),
    Rule(
        "a retry of what a partial response leaves counts",
        [failed("2"), failed("3")],
        [ALL, [2, 3, 4]],
        [[3, 4]],
        {"maximum_retry_attempts": 1},
    ),
    Rule(
        "a service error uses up no retry and splits nothing",
        [UNREACHABLE, UNREACHABLE, None],
        [ALL, ALL, ALL],
        [],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
]
BISECTION = [
    Rule("an exception halves the batch", [RAISES], [ALL, [1, 2], [3, 4]], [], BISECT),
    Rule("a timeout halves the batch", [TIMES_OUT], [ALL, [1, 2], [3, 4]], [], BISECT),
    Rule(
        "a complete failure by response halves it",
        [failed("")],
        [ALL, [1, 2], [3, 4]],
        [],
        BISECT,
    ),
    Rule(
        "the record that fails is isolated, the others are done",
        [RAISES, None, RAISES, RAISES, None],
        [ALL, [1, 2], [3, 4], [3], [4]],
        [[3]],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a split costs no retry",
        [RAISES, RAISES, RAISES, RAISES, None, None, None],
        [ALL, [1, 2], [1], [1], [2], [3, 4]],
        [[1]],
        {"maximum_retry_attempts": 1, **BISECT},
    ),
    Rule(
        "a partial response cuts at the reported number",
        [failed("3")],
        [ALL, [3, 4]],
        [],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a partial response that has done nothing halves it",
        [failed("1"), failed("1"), failed("1")],
        [ALL, [1, 2], [1], [2], [3, 4]],
        [[1]],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a batch of one is retried",
        [RAISES, RAISES, RAISES, RAISES],
        [ALL, [1, 2], [1], [1], [1], [2], [3, 4]],
        [],
        BISECT,
    ),
]


@pytest.mark.parametrize(
    "rule",
    [*SUCCESS, *COMPLETE_FAILURE, *PARTIAL_FAILURE, *RETRIES, *BISECTION],
    ids=lambda rule: rule.words,
)
def test_with_partial_responses(rule: Rule) -> None:
    run = Run(ScriptedFunction(*rule.answers), MappingConfiguration(**PARTIAL, **rule.parameters))

    assert run.process(batch(*ALL))
    assert run.function.invocations == rule.invocations
    assert run.destination.numbers() == list(rule.discarded)
    assert run.finished == ALL


@pytest.mark.parametrize(
    "answer", [failed("3"), failed(""), "done"], ids=["a failure", "a malformed one", "a text"]
)
def test_without_partial_responses_an_answer_is_success_whatever_it_says(answer: Any) -> None:
    run = Run(ScriptedFunction(answer), MappingConfiguration())

    run.process(batch(*ALL))

    assert run.function.invocations == [ALL]
    assert run.finished == ALL


def test_a_record_too_old_is_discarded_before_the_function_sees_it() -> None:
    old = encoded(stream_record(1, arrived_at=EPOCH - timedelta(seconds=61)))
    run = Run(ScriptedFunction(), MappingConfiguration(maximum_record_age_in_seconds=60))

    run.process([old, *batch(2, 3)])

    (kept,) = run.destination.objects.values()
    assert run.function.invocations == [[2, 3]]
    assert run.destination.numbers() == [[1]]
    assert kept["requestContext"]["condition"] == "RecordAgeExceeded"
    assert "responseContext" not in kept


def test_records_that_grow_too_old_while_they_are_retried_are_discarded() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        MappingConfiguration(maximum_record_age_in_seconds=60),
    )

    run.process(batch(*ALL))

    (kept,) = run.destination.objects.values()
    assert run.destination.numbers() == [ALL]
    assert kept["requestContext"]["condition"] == "RecordAgeExceeded"
    assert kept["requestContext"]["approximateInvokeCount"] == len(run.function.invocations)
    assert 60 <= run.clock.now() < 70


def test_records_expire_while_the_function_cannot_be_invoked() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: UNREACHABLE),
        MappingConfiguration(maximum_record_age_in_seconds=60),
    )

    run.process(batch(*ALL))

    assert run.destination.numbers() == [ALL]


def test_without_a_maximum_age_records_are_retried_as_long_as_the_stream_keeps_them() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        MappingConfiguration(),
        retention=timedelta(hours=1),
    )

    run.process(batch(*ALL))

    assert run.destination.numbers() == [ALL]
    assert run.clock.now() == pytest.approx(3600, abs=10)


def test_a_maximum_age_beyond_the_streams_own_keeps_no_record_longer_than_the_stream() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        MappingConfiguration(maximum_record_age_in_seconds=604_800),
        retention=timedelta(hours=1),
    )

    run.process(batch(*ALL))

    assert run.clock.now() == pytest.approx(3600, abs=10)


def test_discarded_records_are_kept_with_the_reason() -> None:
    run = Run(ScriptedFunction(RAISES, RAISES), MappingConfiguration(maximum_retry_attempts=1))

    run.process(batch(*ALL))

    (kept,) = run.destination.objects.values()
    assert kept["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert kept["requestContext"]["approximateInvokeCount"] == 2
    assert kept["responseContext"]["functionError"] == "Unhandled"


def test_a_destination_that_fails_is_tried_again() -> None:
    run = Run(
        ScriptedFunction(RAISES),
        MappingConfiguration(maximum_retry_attempts=0),
        destination=KeptObjects(failures=2),
    )

    run.process(batch(*ALL))

    assert run.destination.numbers() == [ALL]
    assert run.metrics.snapshot({}).destination_failures == 2


def test_waits_between_retries_grow() -> None:
    run = Run(ScriptedFunction(*[RAISES] * 8), MappingConfiguration())

    run.process(batch(*ALL))

    assert run.clock.sleeps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_once_the_function_was_invoked_the_waits_for_it_to_be_reachable_start_anew() -> None:
    run = Run(
        ScriptedFunction(UNREACHABLE, UNREACHABLE, RAISES, UNREACHABLE), MappingConfiguration()
    )

    run.process(batch(*ALL))

    assert run.clock.sleeps == [0.1, 0.2, 0.1, 0.1]


def test_a_stop_leaves_a_batch_that_waits_to_be_tried_again() -> None:
    run = Run(
        ScriptedFunction(failed("3"), otherwise=lambda _: RAISES),
        MappingConfiguration(**PARTIAL),
        waits=3,
    )

    assert not run.process(batch(*ALL))
    assert run.finished == [1, 2]


def test_everything_is_counted() -> None:
    run = Run(
        ScriptedFunction(RAISES, failed("2"), RAISES, UNREACHABLE, RAISES),
        MappingConfiguration(maximum_retry_attempts=1, **PARTIAL, **BISECT),
    )
    run.clock.advance(1.5)

    run.process(batch(*ALL))

    # [1 2 3 4] raises, [1 2] reports 2, [2] raises, is not reached, raises, [3 4] is done
    snapshot = run.metrics.snapshot({})
    assert run.function.invocations == [ALL, [1, 2], [2], [2], [2], [3, 4]]
    assert snapshot.invocations == 5
    assert snapshot.function_errors == 3
    assert snapshot.partial_failures == 1
    assert snapshot.service_errors == 1
    assert snapshot.bisects == 2
    assert snapshot.retries == 1
    assert snapshot.records_done == 3
    assert snapshot.records_discarded == 1
    assert snapshot.iterator_age_ms == pytest.approx(1700)


ANSWERS = st.sampled_from(
    [None, RAISES, TIMES_OUT, UNREACHABLE, failed(), failed(""), "text", *map(failed, "123456789")]
)


@given(
    answers=st.lists(ANSWERS, max_size=30),
    size=st.integers(1, 9),
    bisect=st.booleans(),
    partial=st.booleans(),
    retries=st.sampled_from([-1, 0, 1, 3]),
    age=st.sampled_from([-1, 60]),
    lost=st.integers(0, 3),
)
def test_whatever_the_function_does_every_record_is_done_or_discarded_once_and_in_order(
    *,
    answers: list[Any],
    size: int,
    bisect: bool,
    partial: bool,
    retries: int,
    age: int,
    lost: int,
) -> None:
    settings = MappingConfiguration(
        bisect_batch_on_function_error=bisect,
        maximum_retry_attempts=retries,
        maximum_record_age_in_seconds=age,
        function_response_types=(PARTIAL_RESPONSES,) if partial else (),
    )
    run = Run(ScriptedFunction(*answers), settings, destination=KeptObjects(failures=lost))
    everything = list(range(1, size + 1))

    assert run.process(batch(*everything))
    assert run.finished == everything
    discarded = [number for kept in run.destination.numbers() for number in kept]
    assert discarded == sorted(set(discarded))
    snapshot = run.metrics.snapshot({})
    assert snapshot.records_discarded == len(discarded)
    assert snapshot.records_done == size - len(discarded)
