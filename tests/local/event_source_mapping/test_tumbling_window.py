import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.event_source_mapping.batch_processor import BatchProcessor
from local.event_source_mapping.configuration import (
    PARTIAL_RESPONSES,
    EventSourceMappingConfiguration,
)
from local.event_source_mapping.invocation_event import STATE_BYTES, EncodedRecord
from local.event_source_mapping.invoker import Invoker
from local.event_source_mapping.mapping_metrics import MappingMetrics
from local.event_source_mapping.on_failure_destination import MappingIdentity
from local.event_source_mapping.retry_policy import RetryPolicy
from local.event_source_mapping.tumbling_window import TumblingWindow, WindowedProcessor
from tests.fakes.clock import EPOCH, Clock
from tests.local.event_source_mapping.mapping_fixtures import (
    RAISES,
    SHARD,
    STREAM_ARN,
    UNREACHABLE,
    ScriptedFunction,
    encoded,
    failed,
    numbers,
    stream_record,
)

MINUTE = 60


class Counting(ScriptedFunction):
    """A function that counts the records of a window, after the responses of a script."""

    def invoke(self, payload: bytes) -> bytes:
        response = super().invoke(payload)
        if response != b"null":
            return response
        event = self.events[-1]
        count = event["state"].get("count", 0) + len(event["Records"])
        return json.dumps({"state": {"count": count}}).encode()

    def calls(self) -> list[tuple[str, int, int, bool]]:
        """Return the window's start, the count before, the records, and whether it is the last."""
        return [
            (
                event["window"]["start"][11:16],
                event["state"].get("count", 0),
                len(event["Records"]),
                event["isFinalInvokeForWindow"],
            )
            for event in self.events
        ]


@dataclass
class Run:
    """A processor of tumbling windows of a minute."""

    function: ScriptedFunction
    clock: Clock = field(default_factory=Clock)
    finished: list[int] = field(default_factory=list)
    metrics: MappingMetrics = field(default_factory=MappingMetrics)
    waits: int = 1_000_000
    window: TumblingWindow = field(
        default_factory=lambda: TumblingWindow(MINUTE, SHARD, STREAM_ARN)
    )

    def processor(self, **parameters: Any) -> WindowedProcessor:
        configuration = EventSourceMappingConfiguration(
            tumbling_window_in_seconds=MINUTE, **parameters
        )
        policy = RetryPolicy(
            configuration=configuration,
            retention=timedelta(hours=24),
            wait=self._wait,
            now=self.clock.utc,
            jitter=lambda: 1.0,
        )
        invoker = Invoker(
            configuration=configuration,
            function=self.function,
            events=self.window,
            metrics=self.metrics,
            now=self.clock.utc,
        )
        processor = BatchProcessor(
            policy=policy,
            invoker=invoker,
            identity=MappingIdentity("mapping", STREAM_ARN, "arn:function"),
            destination=None,
            metrics=self.metrics,
            on_finished=lambda records: self.finished.extend(numbers(records)),
        )
        return WindowedProcessor(processor, self.window, invoker, policy)

    def _wait(self, seconds: float) -> bool:
        self.clock.sleep(seconds)
        self.waits -= 1
        return self.waits < 0


def at(*seconds: float) -> list[EncodedRecord]:
    """Return records that arrived so many seconds after 13:15."""
    return [
        encoded(stream_record(number, arrived_at=EPOCH + timedelta(seconds=after)))
        for number, after in enumerate(seconds, 1)
    ]


def test_an_event_has_awss_shape() -> None:
    run = Run(Counting())

    run.processor().process(at(0))

    (event,) = run.function.events
    assert len(event.pop("Records")) == 1
    assert event == {
        "window": {"start": "2025-03-01T13:15:00Z", "end": "2025-03-01T13:16:00Z"},
        "state": {},
        "shardId": SHARD,
        "eventSourceARN": STREAM_ARN,
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }


def test_the_state_of_an_invocation_is_given_to_the_next_of_its_window() -> None:
    function = Counting()
    processor = Run(function).processor()

    processor.process(at(0, 1))
    processor.process(at(2))

    assert function.calls() == [("13:15", 0, 2, False), ("13:15", 2, 1, False)]


def test_a_record_of_the_next_window_ends_the_one_before() -> None:
    function = Counting()

    Run(function).processor().process(at(0, 59, 60, 200))

    assert function.calls() == [
        ("13:15", 0, 2, False),
        ("13:15", 2, 0, True),
        ("13:16", 0, 1, False),
        ("13:16", 1, 0, True),
        ("13:18", 0, 1, False),
    ]


def test_a_late_record_belongs_to_the_open_window() -> None:
    function = Counting()
    processor = Run(function).processor()

    processor.process(at(60))
    processor.process(at(59))

    assert function.calls() == [("13:16", 0, 1, False), ("13:16", 1, 1, False)]


def test_a_window_without_more_records_is_over_two_minutes_after_its_end() -> None:
    function = Counting()
    run = Run(function)
    processor = run.processor()
    assert processor.due_in() is None

    processor.process(at(0))
    run.clock.advance(100)
    assert processor.due_in() == 80
    run.clock.advance(80)
    assert processor.due_in() == 0
    processor.process([])

    assert function.calls() == [("13:15", 0, 1, False), ("13:15", 1, 0, True)]
    assert processor.due_in() is None


def test_the_end_of_a_shard_ends_its_window() -> None:
    function = Counting()
    processor = Run(function).processor()
    processor.process(at(0))

    processor.close()
    processor.close()

    assert function.calls() == [("13:15", 0, 1, False), ("13:15", 1, 0, True)]


@pytest.mark.parametrize("response", [{}, {"state": None}, {"state": 7}, "text", [], {"State": {}}])
def test_a_response_without_a_state_is_a_failure(response: Any) -> None:
    run = Run(Counting(response))

    run.processor().process(at(0))

    assert run.function.invocations == [[1], [1]]
    assert run.metrics.snapshot({}).function_errors == 1


def test_a_state_after_whitespace_is_a_state() -> None:
    window = TumblingWindow(MINUTE, SHARD, STREAM_ARN)

    window.accept(b'{"state" : \n {"count": 1}}', 1)

    assert json.loads(window.payload([]))["state"] == {"count": 1}


def test_a_failed_invocation_leaves_the_state() -> None:
    function = Counting(None, RAISES)
    processor = Run(function).processor()

    processor.process(at(0))
    processor.process(at(1))

    assert [count for _, count, _, _ in function.calls()] == [0, 1, 1]


def test_with_a_partial_response_the_state_holds_what_is_done() -> None:
    partial = {"state": {"count": 1}, **failed("2")}
    function = Counting(partial)

    Run(function).processor(function_response_types=(PARTIAL_RESPONSES,)).process(at(0, 1))

    assert function.calls() == [("13:15", 0, 2, False), ("13:15", 1, 1, False)]


def test_a_state_that_is_too_large_ends_its_window_early() -> None:
    large = {"state": {"text": "x" * STATE_BYTES}}
    function = Counting(large)
    processor = Run(function).processor()

    processor.process(at(0))
    processor.process(at(1))

    first, last, fresh = function.events
    assert not first["isWindowTerminatedEarly"]
    assert last["isWindowTerminatedEarly"]
    assert last["isFinalInvokeForWindow"]
    assert last["Records"] == []
    assert fresh["state"] == {}
    assert fresh["window"] == first["window"]


@pytest.mark.parametrize(
    ("failures", "parameters", "invocations"),
    [
        ([RAISES, RAISES], {}, 3),
        ([RAISES, RAISES, RAISES], {"maximum_retry_attempts": 1}, 2),
        ([UNREACHABLE, UNREACHABLE], {"maximum_retry_attempts": 0}, 3),
        ([RAISES] * 20, {"maximum_record_age_in_seconds": 60}, 6),
    ],
    ids=["retried", "until retries are used", "a service error is no retry", "until it is too old"],
)
def test_a_last_invocation_that_fails_is_retried_within_the_mappings_limits(
    failures: list[Exception], parameters: dict[str, Any], invocations: int
) -> None:
    function = Counting(None, *failures)
    run = Run(function)
    processor = run.processor(**parameters)
    processor.process(at(0))
    run.clock.advance(60)

    processor.close()

    assert [last for _, _, _, last in function.calls()] == [False, *[True] * invocations]
    assert processor.due_in() is None


def test_after_a_stop_a_window_goes_on_with_its_state() -> None:
    function = Counting(None, RAISES)
    run = Run(function, waits=0)
    assert run.processor().process(at(0))
    assert not run.processor().process(at(60))

    run.waits = 1_000
    assert run.processor().process(at(60))

    assert function.calls() == [
        ("13:15", 0, 1, False),
        ("13:15", 1, 0, True),
        ("13:15", 1, 0, True),
        ("13:16", 0, 1, False),
    ]


@given(
    gaps=st.lists(st.integers(0, 90), min_size=1, max_size=20),
    size=st.integers(1, 7),
    outcomes=st.lists(st.sampled_from([None, RAISES, UNREACHABLE, {}]), max_size=30),
)
def test_whatever_the_function_does_each_record_is_counted_in_its_window_once(
    gaps: list[int], size: int, outcomes: Sequence[Any]
) -> None:
    arrivals = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    records = at(*arrivals)
    function = Counting(*outcomes)
    run = Run(function)
    process: Callable[[Sequence[EncodedRecord]], bool] = (processor := run.processor()).process

    for start in range(0, len(records), size):
        assert process(records[start : start + size])
    processor.close()

    windows = [arrival // MINUTE for arrival in arrivals]
    totals = {
        event["window"]["start"]: event["state"]["count"]
        for event in function.events
        if event["isFinalInvokeForWindow"]
    }
    assert list(totals.values()) == [windows.count(window) for window in dict.fromkeys(windows)]
    assert run.finished == list(range(1, len(records) + 1))
