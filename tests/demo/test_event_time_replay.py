"""Trips are replayed in event time: at a rate, or faster than they happened."""

import random
from datetime import datetime, timedelta

import pytest

from demo.event_time_replay import (
    LONGEST_GAP,
    Outgoing,
    ReplayedTrip,
    TimedEvent,
    at_rate,
    at_speed,
    in_event_time,
)
from demo.producer import OutgoingEnd, OutgoingRide
from tests.fakes.clock import Clock

NOON = datetime(2025, 3, 1, 12)  # noqa: DTZ001  as in the files


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def trip(number: int, started: float, ended: float | None = None) -> ReplayedTrip:
    start = OutgoingRide(str(number), b"start", (1, 2))
    end = None if ended is None else OutgoingEnd(str(number), b"end")
    return ReplayedTrip(start, minutes(started), end, None if ended is None else minutes(ended))


def names(events: list[Outgoing]) -> list[str]:
    return [f"{event.data.decode()} {event.key}" for event in events]


def timed(*at: float) -> list[TimedEvent]:
    return [TimedEvent(minutes(each), OutgoingEnd(str(each), b"end")) for each in at]


def test_starts_and_ends_come_in_the_order_of_event_time() -> None:
    trips = [trip(1, 0, 30), trip(2, 5, 10), trip(3, 20), trip(4, 30, 31)]

    events = list(in_event_time(trips))

    assert names([each.event for each in events]) == [
        "start 1",
        "start 2",
        "end 2",
        "start 3",
        "end 1",
        "start 4",
        "end 4",
    ]
    assert [each.at for each in events] == sorted(each.at for each in events)


def test_no_end_comes_before_its_start_and_none_is_lost() -> None:
    source = random.Random(7)
    trips = [trip(n, n // 4, n // 4 + source.choice([0, 0, 1, 9, 500])) for n in range(2_000)]

    order = {name: at for at, name in enumerate(names([e.event for e in in_event_time(trips)]))}

    assert len(order) == 4_000
    assert all(order[f"start {n}"] < order[f"end {n}"] for n in range(2_000))


def test_at_a_rate_as_many_rides_come_a_second_and_their_ends_with_later_ones() -> None:
    clock = Clock()
    trips = [trip(n, n, n + 1.5) for n in range(100)]

    came: dict[str, float] = {}
    for batch in at_rate(in_event_time(trips), 10.0, clock=clock.now, sleep=clock.sleep):
        came |= dict.fromkeys(names(batch), clock.now())

    assert len(came) == 200
    for n in range(100):
        assert n / 10 <= came[f"start {n}"] + 1e-9 <= n / 10 + 0.06
    assert all(came[f"end {n}"] == came[f"start {n + 2}"] for n in range(98))


def test_at_a_speed_each_event_comes_when_its_time_has_come() -> None:
    clock = Clock()

    came = {
        event.key: clock.now()
        for batch in at_speed(timed(0, 0, 1, 10, 59), 600, clock=clock.now, sleep=clock.sleep)
        for event in batch
    }

    assert came == pytest.approx({"0": 0, "1": 0.1, "10": 1, "59": 5.9})


def test_a_gap_of_years_passes_as_an_hour() -> None:
    clock = Clock()
    years = timedelta(days=5_000) / timedelta(minutes=1)

    batches = list(at_speed(timed(0, years, years + 1), 60, clock=clock.now, sleep=clock.sleep))

    assert len(batches) == 3
    assert clock.now() == pytest.approx(LONGEST_GAP.total_seconds() / 60 + 1)


def test_a_consumer_that_falls_behind_gets_batches_of_at_most_500() -> None:
    clock = Clock()

    sizes = []
    for batch in at_speed(timed(*range(1_201)), 60, clock=clock.now, sleep=clock.sleep):
        sizes.append(len(batch))
        if len(sizes) == 1:
            clock.advance(1_100)

    assert sum(sizes) == 1_201
    assert max(sizes) == 500
    assert clock.now() == pytest.approx(1_200)


def test_it_ends_when_its_wait_is_interrupted() -> None:
    clock = Clock()

    batches = list(at_speed(timed(0, 1, 2), 60, clock=clock.now, sleep=lambda _seconds: True))

    assert [len(batch) for batch in batches] == [1]
