"""A mapping that runs, on a fake stream and a fake clock."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.mapping import EventSourceMapping, Timing
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.local.event_source_mapping.mapping_fixtures import ScriptedFunction

STREAM = "ride_events"


class MappingFixture:
    """A stream, a clock, and the mappings of one test.

    Attributes:
        clock_ahead: How far the mapping's time of day is ahead of Kinesis's.
    """

    def __init__(self, shards: int = 1) -> None:
        self.clock = Clock()
        self.clock_ahead = timedelta()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=shards)
        self._mappings: list[EventSourceMapping] = []

    def map(
        self, function: Any, *, destination: Any = None, **parameters: Any
    ) -> EventSourceMapping:
        timing = Timing(clock=self.clock.now, now=self._now, wait=self._wait, jitter=lambda: 1.0)
        mapping = EventSourceMapping(
            self.kinesis,
            STREAM,
            function,
            EventSourceMappingConfiguration(**parameters),
            destination=destination,
            timing=timing,
        )
        self._mappings.append(mapping)
        mapping.start()
        return mapping

    def put(self, key: str, *payloads: bytes) -> list[int]:
        return [int(number) for number in self.kinesis.put(STREAM, key, *payloads)]

    def close(self) -> None:
        for mapping in self._mappings:
            mapping.stop()

    def _now(self) -> datetime:
        return self.clock.utc() + self.clock_ahead

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        # All threads share the clock; a little real time lets the others run.
        self.clock.sleep(seconds)
        return event.wait(0.001)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


def done(mapping: EventSourceMapping, records: int) -> None:
    eventually(lambda: mapping.failure is not None or mapping.snapshot().records_done == records)
    assert mapping.failure is None


class Blocking(ScriptedFunction):
    """A function that waits in each invocation until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()

    def invoke(self, payload: bytes) -> bytes:
        self.entered.release()
        assert self.released.wait(20)
        return super().invoke(payload)
