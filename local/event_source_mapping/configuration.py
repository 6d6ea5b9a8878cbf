"""An event source mapping's configuration, validated as by CreateEventSourceMapping."""

from dataclasses import dataclass, fields
from typing import Any

from local.event_source_mapping.filter_criteria import FilterCriteria
from streaming.errors import SettingsError
from streaming.reader.checkpoints import TRIM_HORIZON, StartingPosition

PARTIAL_RESPONSES = "ReportBatchItemFailures"
UNLIMITED = -1
SHORTEST_RECORD_AGE_SECONDS = 60

WHOLE_NUMBERS = {
    "batch_size": (1, 10_000),
    "maximum_batching_window_in_seconds": (0, 300),
    "maximum_retry_attempts": (UNLIMITED, 10_000),
    "maximum_record_age_in_seconds": (UNLIMITED, 604_800),
    "parallelization_factor": (1, 10),
    "tumbling_window_in_seconds": (0, 900),
}
"""Minimum and maximum (AWS Lambda API reference, CreateEventSourceMapping)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourceMappingConfiguration:
    """An event source mapping's configuration, with AWS's names and defaults.

    Attributes:
        batch_size: BatchSize: the most records of an invocation, 1 to 10,000.
        maximum_batching_window_in_seconds: MaximumBatchingWindowInSeconds: how long to gather
            records before an invocation, 0 to 300 s; 0: do not wait.
        bisect_batch_on_function_error: BisectBatchOnFunctionError: split a failed batch in two.
        maximum_retry_attempts: MaximumRetryAttempts: how often a failed batch is retried before it
            is discarded, 0 to 10,000; -1: until its records expire.
        maximum_record_age_in_seconds: MaximumRecordAgeInSeconds: older records are discarded, 60
            to 604,800 s; -1: only those past the stream's retention period.
        parallelization_factor: ParallelizationFactor: concurrent batches of one shard, 1 to 10.
        starting_position: StartingPosition: TRIM_HORIZON, LATEST or a timestamp.
        function_response_types: FunctionResponseTypes: empty, or ReportBatchItemFailures.
        filter_criteria: FilterCriteria: the filters' patterns, in JSON; see `FilterCriteria`.
        tumbling_window_in_seconds: TumblingWindowInSeconds: pass the function's state from one
            invocation to the next, in windows of up to 900 s; 0: no windows.

    Raises:
        SettingsError: A value is not allowed; the error has AWS's name of the parameter.
    """

    batch_size: int = 100
    maximum_batching_window_in_seconds: int = 0
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = UNLIMITED
    maximum_record_age_in_seconds: int = UNLIMITED
    parallelization_factor: int = 1
    starting_position: StartingPosition = TRIM_HORIZON
    function_response_types: tuple[str, ...] = ()
    filter_criteria: tuple[str, ...] = ()
    tumbling_window_in_seconds: int = 0

    def __post_init__(self) -> None:
        """Validate every value."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, (minimum, maximum) in WHOLE_NUMBERS.items():
            _check(
                type(values[name]) is int and minimum <= values[name] <= maximum,
                name,
                values[name],
                f"a whole number from {minimum} to {maximum:,}",
            )
        age = self.maximum_record_age_in_seconds
        _check(
            age == UNLIMITED or age >= SHORTEST_RECORD_AGE_SECONDS,
            "maximum_record_age_in_seconds",
            age,
            f"{UNLIMITED}, or from {SHORTEST_RECORD_AGE_SECONDS} to 604,800",
        )
        _check(
            isinstance(self.bisect_batch_on_function_error, bool),
            "bisect_batch_on_function_error",
            self.bisect_batch_on_function_error,
            "True or False",
        )
        _check(
            self.starting_position.sequence_number is None,
            "starting_position",
            str(self.starting_position),
            "TRIM_HORIZON, LATEST or a timestamp",
        )
        _check(
            self.function_response_types in ((), (PARTIAL_RESPONSES,)),
            "function_response_types",
            self.function_response_types,
            f"nothing, or {PARTIAL_RESPONSES}",
        )
        _check(
            not self.tumbling_window_in_seconds or self.parallelization_factor == 1,
            "parallelization_factor",
            self.parallelization_factor,
            "1 with TumblingWindowInSeconds",
        )
        FilterCriteria(self.filter_criteria)

    @property
    def partial_responses(self) -> bool:
        """Whether the function's `batchItemFailures` are used."""
        return PARTIAL_RESPONSES in self.function_response_types


def _check(allowed: bool, name: str, value: Any, words: str) -> None:  # noqa: FBT001  a condition
    if not allowed:
        raise SettingsError("".join(part.capitalize() for part in name.split("_")), value, words)
