from datetime import UTC, datetime
from typing import Any

import pytest

from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from streaming.errors import SettingsError
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, StartingPosition


def test_the_defaults_are_those_of_aws() -> None:
    settings = EventSourceMappingConfiguration()

    assert settings.batch_size == 100
    assert settings.maximum_batching_window_in_seconds == 0
    assert not settings.bisect_batch_on_function_error
    assert settings.maximum_retry_attempts == -1
    assert settings.maximum_record_age_in_seconds == -1
    assert settings.parallelization_factor == 1
    assert not settings.partial_responses


@pytest.mark.parametrize(
    "parameters",
    [
        {"batch_size": 1},
        {"batch_size": 10_000},
        {"maximum_batching_window_in_seconds": 300},
        {"maximum_retry_attempts": 0},
        {"maximum_retry_attempts": 10_000},
        {"maximum_record_age_in_seconds": 60},
        {"maximum_record_age_in_seconds": 604_800},
        {"parallelization_factor": 10},
        {"starting_position": TRIM_HORIZON},
        {"starting_position": LATEST},
        {"starting_position": StartingPosition.at(datetime(2025, 3, 1, tzinfo=UTC))},
        {"function_response_types": ("ReportBatchItemFailures",)},
        {"filter_criteria": ('{"data": {"city": ["NY"]}}',)},
        {"tumbling_window_in_seconds": 900},
    ],
    ids=str,
)
def test_what_aws_allows_is_allowed(parameters: dict[str, Any]) -> None:
    EventSourceMappingConfiguration(**parameters)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch_size", 0, "BatchSize is 0; allowed: a whole number from 1 to 10,000"),
        ("batch_size", 10_001, "BatchSize is 10001; allowed: a whole number from 1 to 10,000"),
        ("batch_size", True, "BatchSize is True; allowed: a whole number from 1 to 10,000"),
        ("batch_size", 1.5, "BatchSize is 1.5; allowed: a whole number from 1 to 10,000"),
        (
            "maximum_batching_window_in_seconds",
            301,
            "MaximumBatchingWindowInSeconds is 301; allowed: a whole number from 0 to 300",
        ),
        (
            "bisect_batch_on_function_error",
            "yes",
            "BisectBatchOnFunctionError is 'yes'; allowed: True or False",
        ),
        (
            "maximum_retry_attempts",
            -2,
            "MaximumRetryAttempts is -2; allowed: a whole number from -1 to 10,000",
        ),
        (
            "maximum_record_age_in_seconds",
            604_801,
            "MaximumRecordAgeInSeconds is 604801; allowed: a whole number from -1 to 604,800",
        ),
        (
            "maximum_record_age_in_seconds",
            59,
            "MaximumRecordAgeInSeconds is 59; allowed: -1, or from 60 to 604,800",
        ),
        (
            "parallelization_factor",
            11,
            "ParallelizationFactor is 11; allowed: a whole number from 1 to 10",
        ),
        (
            "tumbling_window_in_seconds",
            901,
            "TumblingWindowInSeconds is 901; allowed: a whole number from 0 to 900",
        ),
        (
            "filter_criteria",
            ('{"data": "NY"}',),
            "FilterCriteria is 'NY'; allowed: an object that is not empty",
        ),
        (
            "starting_position",
            StartingPosition.after("7"),
            "StartingPosition is '7'; allowed: TRIM_HORIZON, LATEST or a timestamp",
        ),
        (
            "function_response_types",
            ("Yes",),
            "FunctionResponseTypes is ('Yes',); allowed: nothing, or ReportBatchItemFailures",
        ),
    ],
)
def test_an_invalid_value_is_an_error_that_names_the_parameter_and_the_allowed_values(
    name: str, value: Any, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        EventSourceMappingConfiguration(**{name: value})

    assert str(caught.value) == message


def test_a_tumbling_window_allows_one_batch_at_a_time() -> None:
    with pytest.raises(SettingsError) as caught:
        EventSourceMappingConfiguration(tumbling_window_in_seconds=60, parallelization_factor=2)

    assert str(caught.value) == (
        "ParallelizationFactor is 2; allowed: 1 with TumblingWindowInSeconds"
    )
