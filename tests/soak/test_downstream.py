import json
import threading
from collections.abc import Mapping

import pytest

from streaming.reader.stream_reader import StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.soak import downstream
from tests.soak.downstream import Downstream, Restart

EVENTS = 3_000
COPIES = 2
STREAM = "predictions"


@pytest.fixture(autouse=True)
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "REOPEN_SECONDS", 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    fake = FakeKinesis(clock)
    fake.create_stream(StreamName=STREAM, ShardCount=2)
    for number in range(EVENTS):
        values = {"ride_id": number, "ride_duration": 7.5}
        data = json.dumps({"event_id": f"shard:{number}", "prediction": values}).encode()
        fake.put(STREAM, str(number), *[data] * COPIES)
    return fake


def receive(kinesis: FakeKinesis, clock: Clock, seed: int, *, restart: bool = True) -> Downstream:
    """Receive until the stream's tip."""
    total = len(kinesis.payloads(STREAM))

    def open_reader(saved: Mapping[str, str] | None, stopped: threading.Event) -> StreamReader:
        def sleep(seconds: float) -> None:
            if receiver.records == total:
                stopped.set()
            clock.sleep(seconds)

        return StreamReader(
            kinesis,
            STREAM,
            saved=saved,
            stopped=stopped,
            limit=50,
            clock=clock.now,
            sleep=sleep,
        )

    receiver = Downstream(open_reader, seed, restart=restart)
    receiver.run()
    return receiver


@pytest.mark.parametrize("seed", range(5))
def test_every_record_is_counted_once_however_often_its_reader_is_restarted(
    kinesis: FakeKinesis, clock: Clock, seed: int
) -> None:
    received = receive(kinesis, clock, seed)
    assert received.records == EVENTS * COPIES
    assert len(received.predicted) == EVENTS
    assert received.restarts.total() >= 1
    killed = received.restarts[Restart.KILLED.value]
    assert bool(received.repeated) == bool(killed)
    deliveries = [(each.event_id, each.reader) for each in received.predictions]
    assert len(set(deliveries)) == len(deliveries)


def test_a_reader_that_is_not_restarted_delivers_each_prediction_once(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    received = receive(kinesis, clock, 1, restart=False)
    assert (len(received.predictions), received.duplicates) == (EVENTS, EVENTS * (COPIES - 1))
    assert not received.restarts


def test_a_stream_that_cannot_be_opened_for_a_moment_is_opened_again(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.fail("list_shards", "LimitExceededException")
    assert len(receive(kinesis, clock, 1).predicted) == EVENTS


def test_a_prediction_that_breaks_the_contract_is_no_rides(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put(STREAM, "key", b"{}")
    received = receive(kinesis, clock, 1, restart=False)
    assert [each for each in received.predictions if each.ride_id < 0] == [(None, -1, 0)]
