"""What a batch processor retries, discards, finishes and counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.event_source_mapping.configuration import (
    PARTIAL_RESPONSES,
    EventSourceMappingConfiguration,
)
from tests.local.event_source_mapping.mapping_fixtures import (
    RAISES,
    TIMES_OUT,
    UNREACHABLE,
    ScriptedFunction,
    batch,
    failed,
)
from tests.local.event_source_mapping.processor_run import (
    ALL,
    BISECT,
    PARTIAL,
    MemoryDestination,
    Run,
)


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
