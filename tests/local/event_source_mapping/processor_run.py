"""A batch processor and what it uses."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

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
from tests.fakes.clock import Clock
from tests.local.event_source_mapping.mapping_fixtures import STREAM_ARN, ScriptedFunction, numbers

PARTIAL: dict[str, Any] = {"function_response_types": (PARTIAL_RESPONSES,)}
BISECT: dict[str, Any] = {"bisect_batch_on_function_error": True}
ALL = [1, 2, 3, 4]


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
