"""Records that are too old are discarded."""

from datetime import timedelta

import pytest

from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from tests.fakes.clock import EPOCH
from tests.local.event_source_mapping.mapping_fixtures import (
    RAISES,
    UNREACHABLE,
    ScriptedFunction,
    batch,
    encoded,
    stream_record,
)
from tests.local.event_source_mapping.processor_run import ALL, BISECT, Run


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
