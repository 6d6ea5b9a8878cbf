from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from page.live_rides import LiveRides
from page.stream_source import StreamCounts, StreamThreads
from streaming import StreamError
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.page.ride_stream import CHALLENGER, PREDICTIONS, RIDES, ended, predicted, record, started

if TYPE_CHECKING:
    from streaming import StreamRecord


def test_what_is_read_is_counted(clock: Clock) -> None:
    live = LiveRides(PREDICTIONS, clock.now)
    counts = StreamCounts(live, None, lambda: 17.0, clock.now)
    taps = counts.taps(RIDES, [PREDICTIONS, CHALLENGER])
    counts.figures(0)
    clock.advance(2.0)
    for ride in range(10):
        taps[RIDES](started(ride))
        taps[PREDICTIONS](predicted(ride))
        taps[CHALLENGER](predicted(ride))
    taps[RIDES](ended(1))
    taps[PREDICTIONS](record(b"no prediction"))

    figures = counts.figures(duplicates=3)
    assert (figures.rides_in, figures.predictions_out, figures.ended) == (10, 10, 1)
    assert (figures.in_per_second, figures.out_per_second) == (5.0, 5.0)
    assert (figures.p50, figures.p99) == (250.0, 250.0)
    assert (figures.duplicates, figures.dead_lettered, figures.iterator_age) == (3, None, 17.0)


def test_each_stream_is_read_from_now_on_until_it_is_stopped(clock: Clock) -> None:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName=RIDES, ShardCount=2)
    kinesis.put_record(StreamName=RIDES, PartitionKey="before", Data=b"{}")
    seen: list[str] = []
    enough = threading.Event()

    def tap(found: StreamRecord) -> None:
        seen.append(found.partition_key)
        if len(seen) == 2:
            enough.set()

    threads = StreamThreads(kinesis, {RIDES: tap})
    threads.open()
    for key in ("1", "2"):
        kinesis.put_record(StreamName=RIDES, PartitionKey=key, Data=b"{}")
    threads.start()
    assert enough.wait(60)
    threads.stop()

    assert sorted(seen) == ["1", "2"]
    assert threads.failure() is None


def test_a_stream_that_is_unreachable_for_seconds_is_said_until_it_is_read_again() -> None:
    """Although nothing is on it: the page would look alive, and stand still."""
    kinesis, now = FakeKinesis(Clock()), Clock()
    kinesis.create_stream(StreamName=RIDES)
    unreachable = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    reads: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[None] = queue.SimpleQueue()

    class Client:
        def get_records(self, **parameters: Any) -> Any:
            done.put(None)
            failure = reads.get()
            if failure is not None:
                raise failure
            return kinesis.get_records(**parameters)

        def __getattr__(self, name: str) -> Any:
            return getattr(kinesis, name)

    threads = StreamThreads(Client(), {RIDES: lambda _: None}, clock=now.now)
    threads.open()
    threads.start()
    said = []
    done.get()
    for failure, seconds in ((unreachable, 2.9), (unreachable, 0.1), (None, 9.0), (unreachable, 2)):
        reads.put(failure)
        done.get()
        now.advance(seconds)
        said.append(threads.failure())
    threads._stopped.set()
    reads.put(None)
    threads.stop()

    sentence = "cannot read the stream 'ride_events': EndpointConnectionError at http://127.0.0.1:1"
    assert said == [None, sentence, None, None]


def test_a_stream_that_cannot_be_read_is_said(clock: Clock) -> None:
    threads = StreamThreads(FakeKinesis(clock), {RIDES: lambda _: None})

    with pytest.raises(StreamError, match=RIDES):
        threads.open()
    threads.start()
    failed = threads.failure()
    while failed is None:
        failed = threads.failure()
    threads.stop()
    assert RIDES in failed
