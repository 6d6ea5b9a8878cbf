"""The soak must fail: a reader that checkpoints before the work loses predictions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streaming.reader.stream_reader import StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.soak import downstream
from tests.soak.downstream import Downstream, Restart
from tests.soak.reconciliation import Expected, Reconciliation, reconcile

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from streaming.reader.shard_reader import StreamRecord

EVENTS = 6_000
STREAM = "predictions"
IDLE_READS = 10
"""After so many reads without a record in between, the reader is at the stream's tip."""

EXPECTED = Expected(rides={f"shard:{number}": number for number in range(EVENTS)})


class EarlyReader(StreamReader):
    """Counts a record as processed when it is returned."""

    def __iter__(self) -> Iterator[StreamRecord]:
        for record in super().__iter__():
            self.checkpoint()
            yield record


@pytest.fixture(autouse=True)
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "REOPEN_SECONDS", 0.0)


def receive(reader: type[StreamReader], seed: int) -> Downstream:
    """Receive a stream to its tip with one reader after another."""
    clock = Clock()
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName=STREAM, ShardCount=2)
    for number in range(EVENTS):
        values = {"ride_id": number, "ride_duration": 7.5}
        data = json.dumps({"event_id": f"shard:{number}", "prediction": values}).encode()
        kinesis.put(STREAM, str(number), data)
    idle = [0, 0]  # how often the readers slept since, how many records were received

    def open_reader(saved: Mapping[str, str] | None, stopped: threading.Event) -> StreamReader:
        def sleep(seconds: float) -> None:
            received = len(receiver.predictions)
            idle[:] = [idle[0] + 1 if received == idle[1] else 0, received]
            if idle[0] > IDLE_READS:
                stopped.set()
            clock.sleep(seconds)

        return reader(
            kinesis, STREAM, saved=saved, stopped=stopped, clock=clock.now, sleep=sleep, limit=50
        )

    receiver = Downstream(open_reader, seed)
    receiver.run()
    return receiver


def verdict(received: Downstream) -> Reconciliation:
    return reconcile(EXPECTED, received.predictions, {})


@pytest.mark.parametrize("seed", range(5))
def test_a_reader_that_checkpoints_before_the_work_loses_what_it_failed_on(seed: int) -> None:
    received = receive(EarlyReader, seed)

    failures = received.restarts[Restart.FAILED.value]
    assert failures >= 1
    assert verdict(received).lost == failures
    assert not verdict(received).passed


@pytest.mark.parametrize("seed", range(5))
def test_the_reader_loses_nothing(seed: int) -> None:
    received = receive(StreamReader, seed)

    assert received.restarts[Restart.FAILED.value] >= 1
    assert verdict(received).passed
    assert received.records == EVENTS
