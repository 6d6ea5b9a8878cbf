import itertools
import threading
from collections.abc import Iterator

import msgspec
import pytest

from demo.producer import outgoing_rides, paced_batches, put_records_batches
from demo.ride_generator import RideEvent
from tests.fakes.clock import Clock


def event(ride_id: int) -> RideEvent:
    ride = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
    return {"event_type": "ride_started", "ride_id": ride_id, "ride": ride}


def test_without_a_rate_items_come_at_once_in_batches_of_500() -> None:
    clock = Clock()
    batches = list(
        paced_batches(put_records_batches(range(1200)), None, clock=clock.now, sleep=clock.sleep)
    )
    assert [len(batch) for batch in batches] == [500, 500, 200]
    assert list(itertools.chain.from_iterable(batches)) == list(range(1200))
    assert clock.now() == 0


def test_items_come_at_the_requested_rate() -> None:
    clock = Clock()
    when = {
        item: clock.now()
        for batch in paced_batches(
            put_records_batches(range(1001)), 200.0, clock=clock.now, sleep=clock.sleep
        )
        for item in batch
    }
    assert when[0] == 0
    assert all(item / 200 <= when[item] + 1e-9 <= item / 200 + 0.06 for item in when)


def test_a_slow_rate_yields_one_item_at_a_time() -> None:
    clock = Clock()
    batches = [
        (clock.now(), batch)
        for batch in paced_batches(["abc"], 0.5, clock=clock.now, sleep=clock.sleep)
    ]
    assert batches == [(0, ["a"]), (2, ["b"]), (4, ["c"])]


def test_a_consumer_that_falls_behind_catches_up() -> None:
    clock = Clock()
    batches = paced_batches([range(100)], 10.0, clock=clock.now, sleep=clock.sleep)
    assert next(batches) == [0]
    clock.advance(5.0)
    assert next(batches) == list(range(1, 51))


def test_items_are_yielded_as_soon_as_they_are_available() -> None:
    batches = paced_batches(iter([["a"], ["b", "c"], [], ["d"]]), None)
    assert list(batches) == [["a"], ["b", "c"], ["d"]]


def test_time_that_a_slow_source_takes_is_not_caught_up() -> None:
    clock = Clock()

    def slow() -> Iterator[list[int]]:
        yield [0]
        clock.advance(60.0)
        yield list(range(1, 100))

    batches = paced_batches(slow(), 10.0, clock=clock.now, sleep=clock.sleep)
    yielded = [(clock.now(), batch) for batch in batches]
    assert yielded[:3] == [(0, [0]), (pytest.approx(60.1), [1]), (pytest.approx(60.2), [2])]


def test_an_interrupted_wait_ends_the_items() -> None:
    stop = threading.Event()
    stop.set()
    assert list(paced_batches([range(100)], 10.0, clock=Clock().now, sleep=stop.wait)) == [[0]]


def test_a_rides_partition_key_is_its_id() -> None:
    (ride,) = outgoing_rides([event(7)], seed=1)
    assert ride.key == "7"
    assert ride.route == (130, 205)
    assert msgspec.json.decode(ride.data) == event(7)
    assert ride.entry == {"Data": ride.data, "PartitionKey": "7"}


def test_the_requested_share_is_poison_with_the_same_partition_keys() -> None:
    events = [event(number) for number in range(1000)]
    rides = list(outgoing_rides(events, poison_share=0.1, seed=1))
    poison = [
        ride
        for ride, valid in zip(rides, events, strict=True)
        if ride.data != msgspec.json.encode(valid)
    ]
    assert [ride.key for ride in rides] == [str(number) for number in range(1000)]
    assert 70 < len(poison) < 130
