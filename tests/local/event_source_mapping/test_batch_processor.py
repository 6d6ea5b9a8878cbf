import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import FunctionError, FunctionUnavailable
from local.event_source_mapping.batch_processor import BatchProcessor
from local.event_source_mapping.configuration import (
    PARTIAL_RESPONSES,
    EventSourceMappingConfiguration,
)
from local.event_source_mapping.invocation_event import EncodedRecord
from local.event_source_mapping.invoker import Invoker, PlainEvents
from local.event_source_mapping.mapping_metrics import MappingMetrics
from local.event_source_mapping.on_failure_destination import InvocationRecord, MappingIdentity
from local.event_source_mapping.retry_policy import RetryPolicy
from streaming.errors import StorageError
from tests.fakes.clock import EPOCH, Clock
from tests.local.event_source_mapping.mapping_fixtures import (
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


class MemoryDestination:
    """A destination in memory; its first writes fail."""

    def __init__(self, failures: int = 0) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self._failures = failures

    def send(self, record: InvocationRecord) -> None:
        if self._failures:
            self._failures -= 1
            raise StorageError("disk full")
        self.objects[record.key] = json.loads(record.content())

    def numbers(self) -> list[list[int]]:
        return [
            [
                int(record["kinesis"]["sequenceNumber"])
                for record in json.loads(stored["payload"])["Records"]
            ]
            for stored in self.objects.values()
        ]


@dataclass
class Run:
    """A batch processor and what it uses."""

    function: ScriptedFunction
    configuration: EventSourceMappingConfiguration
    clock: Clock = field(default_factory=Clock)
    destination: MemoryDestination = field(default_factory=MemoryDestination)
    metrics: MappingMetrics = field(default_factory=MappingMetrics)
    finished: list[int] = field(default_factory=list)
    waits: int = 1_000_000
    retention: timedelta = timedelta(hours=24)
    jitter: Callable[[], float] = lambda: 1.0

    def process(self, records: Sequence[EncodedRecord]) -> bool:
        policy = RetryPolicy(
            configuration=self.configuration,
            retention=self.retention,
            wait=self._wait,
            now=self.clock.utc,
            jitter=self.jitter,
        )
        invoker = Invoker(
            configuration=self.configuration,
            function=self.function,
            events=PlainEvents(),
            metrics=self.metrics,
            now=self.clock.utc,
        )
        return BatchProcessor(
            policy=policy,
            invoker=invoker,
            identity=MappingIdentity("mapping", STREAM_ARN, "arn:function"),
            destination=self.destination,
            metrics=self.metrics,
            on_finished=lambda records: self.finished.extend(numbers(records)),
        ).process(records)

    def _wait(self, seconds: float) -> bool:
        self.clock.sleep(seconds)
        self.waits -= 1
        return self.waits < 0


@dataclass(frozen=True)
class Rule:
    """One of AWS's rules: the responses to the records 1, 2, 3, 4, and what follows."""

    words: str
    responses: Sequence[Any]
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
    Rule(
        "one invalid identifier among valid ones fails the whole batch",
        [failed("3", "")],
        [ALL, ALL],
    ),
    Rule("an identifier of another batch fails the whole batch", [failed("99")], [ALL, ALL]),
    Rule("an identifier that is not a string fails the whole batch", [failed(3)], [ALL, ALL]),
    Rule(
        "failures that are not a list fail the whole batch",
        [{"batchItemFailures": "3"}],
        [ALL, ALL],
    ),
    Rule(
        "failures that are not objects fail the whole batch",
        [{"batchItemFailures": ["3"]}],
        [ALL, ALL],
    ),
    Rule("a response that is not an object fails the whole batch", ["done"], [ALL, ALL]),
    Rule("a response that is not JSON fails the whole batch", [float("nan")], [ALL, ALL]),
]
PARTIAL_FAILURE = [
    Rule("the batch is retried from the reported sequence number", [failed("3")], [ALL, [3, 4]]),
    Rule("of several identifiers the lowest counts", [failed("4", "2")], [ALL, [2, 3, 4]]),
    Rule("a failure of the first record retries the whole batch", [failed("1")], [ALL, ALL]),
]
RETRIES = [
    Rule(
        "a failed batch is retried MaximumRetryAttempts times, then discarded",
        [RAISES] * 3,
        [ALL] * 3,
        [ALL],
        {"maximum_retry_attempts": 2},
    ),
    Rule(
        "without retries it is discarded at once",
        [RAISES],
        [ALL],
        [ALL],
        {"maximum_retry_attempts": 0},
    ),
    Rule("-1 retries until it succeeds", [RAISES] * 20, [ALL] * 21, [], {}),
    Rule(
        "when the checkpoint moves, all retries are left to what follows",
        [failed("2"), failed("3"), failed("3"), failed("3")],
        [ALL, [2, 3, 4], [3, 4], [3, 4]],
        [[3, 4]],
        {"maximum_retry_attempts": 1},
    ),
    Rule(
        "without retries, what follows the checkpoint is sent once",
        [failed("2"), failed("2")],
        [ALL, [2, 3, 4]],
        [[2, 3, 4]],
        {"maximum_retry_attempts": 0},
    ),
    Rule(
        "records that fail once each are all done",
        [failed("1"), failed("2"), failed("3"), failed("4")],
        [ALL, ALL, [2, 3, 4], [3, 4], [4]],
        [],
        {"maximum_retry_attempts": 1},
    ),
    Rule(
        "a last record that always fails is sent twice more than there are retries",
        [failed("4")] * 5,
        [ALL, [4], [4], [4], [4]],
        [[4]],
        {"maximum_retry_attempts": 3},
    ),
    Rule(
        "a service error costs no retry and no split",
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
        "a complete failure by response halves the batch",
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
        "a partial response splits the batch at the reported sequence number",
        [failed("3")],
        [ALL, [3, 4]],
        [],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a partial response with nothing done halves the batch",
        [failed("1"), failed("1"), failed("1")],
        [ALL, [1, 2], [1], [2], [3, 4]],
        [[1]],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a batch of one record is retried",
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
    run = Run(
        ScriptedFunction(*rule.responses),
        EventSourceMappingConfiguration(**PARTIAL, **rule.parameters),
    )

    assert run.process(batch(*ALL))
    assert run.function.invocations == rule.invocations
    assert run.destination.numbers() == list(rule.discarded)
    assert run.finished == ALL


@pytest.mark.parametrize(
    "response",
    [failed("3"), failed(""), "done"],
    ids=["a failure", "a malformed failure", "a text"],
)
def test_without_partial_responses_any_response_is_success(response: Any) -> None:
    run = Run(ScriptedFunction(response), EventSourceMappingConfiguration())

    run.process(batch(*ALL))

    assert run.function.invocations == [ALL]
    assert run.finished == ALL


def test_a_record_that_is_too_old_is_discarded_without_an_invocation() -> None:
    old = encoded(stream_record(1, arrived_at=EPOCH - timedelta(seconds=61)))
    run = Run(ScriptedFunction(), EventSourceMappingConfiguration(maximum_record_age_in_seconds=60))

    run.process([old, *batch(2, 3)])

    (stored,) = run.destination.objects.values()
    assert run.function.invocations == [[2, 3]]
    assert run.destination.numbers() == [[1]]
    assert stored["requestContext"]["condition"] == "RecordAgeExceeded"
    assert stored["requestContext"]["approximateInvokeCount"] == 1
    assert "responseContext" not in stored


def test_halves_that_grow_too_old_are_discarded_together() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        EventSourceMappingConfiguration(maximum_record_age_in_seconds=60, **BISECT),
    )
    younger = [encoded(stream_record(4, arrived_at=EPOCH + timedelta(hours=1)))]

    run.process([*batch(1, 2, 3), *younger])

    # [1 2 3 4] and [1 2] are halved; [1] is retried until 1, 2 and 3 are too old
    assert run.destination.numbers()[0] == [1, 2, 3]
    assert run.finished == ALL


def test_records_that_grow_too_old_while_they_are_retried_are_discarded() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        EventSourceMappingConfiguration(maximum_record_age_in_seconds=60),
    )

    run.process(batch(*ALL))

    (stored,) = run.destination.objects.values()
    assert run.destination.numbers() == [ALL]
    assert stored["requestContext"]["condition"] == "RecordAgeExceeded"
    assert stored["requestContext"]["approximateInvokeCount"] == len(run.function.invocations)
    assert "responseContext" not in stored
    assert 60 <= run.clock.now() < 95


def test_records_expire_while_the_function_cannot_be_invoked() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: UNREACHABLE),
        EventSourceMappingConfiguration(maximum_record_age_in_seconds=60),
    )

    run.process(batch(*ALL))

    assert run.destination.numbers() == [ALL]


def test_without_a_maximum_age_records_are_retried_as_long_as_the_stream_keeps_them() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        EventSourceMappingConfiguration(),
        retention=timedelta(hours=1),
    )

    run.process(batch(*ALL))

    assert run.destination.numbers() == [ALL]
    assert run.clock.now() == pytest.approx(3600, abs=30)


def test_a_maximum_age_above_the_retention_period_has_no_effect() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        EventSourceMappingConfiguration(maximum_record_age_in_seconds=604_800),
        retention=timedelta(hours=1),
    )

    run.process(batch(*ALL))

    assert run.clock.now() == pytest.approx(3600, abs=30)


def test_discarded_records_are_stored_with_the_reason() -> None:
    run = Run(
        ScriptedFunction(RAISES, RAISES), EventSourceMappingConfiguration(maximum_retry_attempts=1)
    )

    run.process(batch(*ALL))

    (stored,) = run.destination.objects.values()
    assert stored["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert stored["requestContext"]["approximateInvokeCount"] == 2
    assert stored["responseContext"]["functionError"] == "Unhandled"


def test_a_write_to_the_destination_is_retried() -> None:
    run = Run(
        ScriptedFunction(RAISES),
        EventSourceMappingConfiguration(maximum_retry_attempts=0),
        destination=MemoryDestination(failures=2),
    )

    run.process(batch(*ALL))

    assert run.destination.numbers() == [ALL]
    assert run.metrics.snapshot({}).destination_failures == 2


def test_waits_between_retries_grow() -> None:
    run = Run(ScriptedFunction(*[RAISES] * 8), EventSourceMappingConfiguration())

    run.process(batch(*ALL))

    assert run.clock.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_record_that_always_fails_is_sent_about_eight_times_a_minute() -> None:
    run = Run(
        ScriptedFunction(otherwise=lambda _: RAISES),
        EventSourceMappingConfiguration(maximum_record_age_in_seconds=60),
        jitter=lambda: 0.5,
    )

    run.process(batch(1))

    assert len(run.function.invocations) == 8


def test_after_an_invocation_the_backoff_for_service_errors_restarts() -> None:
    run = Run(
        ScriptedFunction(UNREACHABLE, UNREACHABLE, RAISES, UNREACHABLE),
        EventSourceMappingConfiguration(),
    )

    run.process(batch(*ALL))

    assert run.clock.sleeps == [0.1, 0.2, 1.0, 0.1]


def test_a_stop_abandons_a_batch_that_waits_for_a_retry() -> None:
    run = Run(
        ScriptedFunction(failed("3"), otherwise=lambda _: RAISES),
        EventSourceMappingConfiguration(**PARTIAL),
        waits=3,
    )

    assert not run.process(batch(*ALL))
    assert run.finished == [1, 2]


def test_everything_is_counted() -> None:
    run = Run(
        ScriptedFunction(RAISES, failed("2"), RAISES, UNREACHABLE, RAISES),
        EventSourceMappingConfiguration(maximum_retry_attempts=1, **PARTIAL, **BISECT),
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
    assert snapshot.bisects == 1
    assert snapshot.retries == 1
    assert snapshot.records_done == 3
    assert snapshot.records_discarded == 1
    assert snapshot.iterator_age_ms == pytest.approx(2600)


RESPONSES = st.sampled_from(
    [None, RAISES, TIMES_OUT, UNREACHABLE, failed(), failed(""), "text", *map(failed, "123456789")]
)


@given(
    responses=st.lists(RESPONSES, max_size=30),
    size=st.integers(1, 9),
    bisect=st.booleans(),
    partial=st.booleans(),
    retries=st.sampled_from([-1, 0, 1, 3]),
    age=st.sampled_from([-1, 60]),
    lost=st.integers(0, 3),
)
def test_whatever_the_function_does_every_record_is_done_or_discarded_once_and_in_order(
    *,
    responses: list[Any],
    size: int,
    bisect: bool,
    partial: bool,
    retries: int,
    age: int,
    lost: int,
) -> None:
    configuration = EventSourceMappingConfiguration(
        bisect_batch_on_function_error=bisect,
        maximum_retry_attempts=retries,
        maximum_record_age_in_seconds=age,
        function_response_types=(PARTIAL_RESPONSES,) if partial else (),
    )
    run = Run(
        ScriptedFunction(*responses), configuration, destination=MemoryDestination(failures=lost)
    )
    everything = list(range(1, size + 1))

    assert run.process(batch(*everything))
    assert run.finished == everything
    discarded = [number for batch_numbers in run.destination.numbers() for number in batch_numbers]
    assert discarded == sorted(set(discarded))
    snapshot = run.metrics.snapshot({})
    assert snapshot.records_discarded == len(discarded)
    assert snapshot.records_done == size - len(discarded)
