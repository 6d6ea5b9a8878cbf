from __future__ import annotations

import gc
import itertools
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest

import page.live_rides
from page.live_rides import LiveRides, tapped
from tests.page.ride_stream import CHALLENGER, PREDICTIONS, ended, predicted, record, started

if TYPE_CHECKING:
    from page.ride_records import Predicted
    from streaming import StreamRecord
    from tests.fakes.clock import Clock


@pytest.fixture
def live(clock: Clock) -> LiveRides:
    return LiveRides(PREDICTIONS, clock.now)


def test_a_zone_shows_the_medians_and_the_count_of_the_rides_that_began_there(
    live: LiveRides,
) -> None:
    for ride, (minutes, tip) in enumerate([(10.0, 1.0), (30.0, 2.0), (12.0, 6.0)]):
        live.event(started(ride, pickup=130))
        live.prediction(PREDICTIONS, predicted(ride, minutes, tip))

    assert live.zones() == {"130": [12.0, 2.0, 3]}


def test_the_streams_may_be_read_in_any_order(live: LiveRides) -> None:
    live.prediction(PREDICTIONS, predicted(1, 10.0))
    live.event(started(1, pickup=7))

    assert live.zones() == {"7": [10.0, 2.5, 1]}


def test_a_prediction_that_comes_twice_is_one_ride_of_its_zone(live: LiveRides) -> None:
    live.event(started(1))
    for _ in range(2):
        live.prediction(PREDICTIONS, predicted(1))

    assert live.zones() == {"130": [20.0, 2.5, 1]}


def test_a_zone_forgets_what_is_older_than_five_minutes(live: LiveRides, clock: Clock) -> None:
    live.event(started(1))
    live.prediction(PREDICTIONS, predicted(1, 50.0))
    clock.advance(200)
    live.event(started(2))
    live.prediction(PREDICTIONS, predicted(2, 10.0))
    assert live.zones() == {"130": [30.0, 2.5, 2]}

    clock.advance(150)
    assert live.zones() == {"130": [10.0, 2.5, 1]}
    clock.advance(200)
    assert live.zones() == {"130": None}


def test_a_challengers_predictions_have_shares_of_their_own_and_no_place_on_the_map(
    live: LiveRides,
) -> None:
    live.event(started(1))
    live.prediction(CHALLENGER, predicted(1, version="v2"))
    for ride, version in enumerate(["v1", "v1", "v1", "v3"]):
        live.prediction(PREDICTIONS, predicted(ride + 10, version=version))

    shares = {row["version"]: (row["stream"], row["share"]) for row in live.versions()}
    assert shares == {
        "v1": (PREDICTIONS, 0.75),
        "v3": (PREDICTIONS, 0.25),
        "v2": (CHALLENGER, 1.0),
    }
    assert live.versions()[-1]["version"] == "v2"
    assert live.zones() == {}


def test_the_errors_are_those_of_each_version_on_the_rides_that_ended(live: LiveRides) -> None:
    for ride, (minutes, tip) in enumerate([(25.0, 3.0), (15.0, None)]):
        live.event(started(ride, pickup_datetime="2025-03-01T08:15:00"))
        live.prediction(PREDICTIONS, predicted(ride, minutes=minutes, tip=2.0))
        live.event(ended(ride, dropoff_datetime="2025-03-01T08:35:00", tip_amount=tip))

    (row,) = live.versions()
    assert row["duration"] == {"rides": 2, "absolute": 5.0, "bias": 0.0}
    assert row["tip"] == {"rides": 1, "absolute": 1.0, "bias": -1.0}
    assert live.ends == 2


def test_a_replayed_ride_may_end_before_its_prediction_is_read(live: LiveRides) -> None:
    live.event(started(1, pickup_datetime="2025-03-01T08:15:00"))
    live.event(ended(1, dropoff_datetime="2025-03-01T08:35:00", tip_amount=2.0))
    for _ in range(2):
        live.prediction(PREDICTIONS, predicted(1, 25.0, tip=2.5))

    (row,) = live.versions()
    assert row["duration"] == {"rides": 1, "absolute": 5.0, "bias": 5.0}
    assert row["tip"] == {"rides": 1, "absolute": 0.5, "bias": 0.5}
    assert live.recent()[0]["route"] == (130, 205)


@pytest.mark.parametrize("payment_type", [2, 0, "1", [], None, 1])
def test_of_tips_only_those_on_a_card_are_compared(live: LiveRides, payment_type: object) -> None:
    live.event(started(1))
    live.prediction(PREDICTIONS, predicted(1, tip=2.0))
    live.event(ended(1, tip_amount=3.0, payment_type=payment_type))

    is_compared = payment_type in (None, 1)
    assert (live.versions()[0]["tip"] is not None) == is_compared


def test_a_trip_of_a_whole_day_does_not_move_the_error(live: LiveRides) -> None:
    """The TLC's months have some: a taximeter that was left on."""
    for ride in range(9):
        live.event(started(ride, pickup_datetime="2025-03-01T08:15:00"))
        live.prediction(PREDICTIONS, predicted(ride, 25.0))
        day = 2 if ride == 0 else 1
        live.event(ended(ride, dropoff_datetime=f"2025-03-0{day}T08:35:00"))

    assert live.versions()[0]["duration"] == {"rides": 9, "absolute": 5.0, "bias": 5.0}


def test_an_end_counts_once_and_only_after_its_start(live: LiveRides) -> None:
    live.prediction(PREDICTIONS, predicted(1))
    live.event(ended(1, dropoff_datetime="2025-03-01T08:35:00"))
    live.event(ended(2))

    (row,) = live.versions()
    assert row["duration"] is None


def test_a_ride_that_ends_before_it_began_has_no_error(live: LiveRides) -> None:
    live.event(started(1, pickup_datetime="2025-03-01T08:15:00"))
    live.prediction(PREDICTIONS, predicted(1))
    live.event(ended(1, dropoff_datetime="2025-03-01T08:14:00"))

    assert live.versions()[0]["duration"] is None


def test_an_id_that_comes_again_is_another_ride(live: LiveRides) -> None:
    for pickup in (130, 7):
        live.event(started(1, pickup=pickup))
        live.prediction(PREDICTIONS, predicted(1))

    assert live.zones() == {"130": [20.0, 2.5, 1], "7": [20.0, 2.5, 1]}


def test_the_last_predictions_come_newest_first_with_their_routes(live: LiveRides) -> None:
    for ride in range(20):
        live.event(started(ride, pickup=130, dropoff=205))
        live.prediction(PREDICTIONS, predicted(ride))

    recent = live.recent()
    assert [each["ride"] for each in recent] == [str(ride) for ride in range(19, 7, -1)]
    assert recent[0]["route"] == (130, 205)
    assert recent[0]["milliseconds"] == 250
    assert recent[0]["arrived"] == 1740834900000


def test_another_models_prediction_is_shown_as_json(live: LiveRides) -> None:
    live.prediction(PREDICTIONS, predicted(1, prediction={"alarm": True}))

    assert live.recent()[0]["text"] == '{"alarm":true}'
    assert live.recent()[0]["duration"] is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"ride_id": 1, "ride": {"PULocationID": "x"}}',
        b'{"event_type": "ride_ended", "ride_id": 1, "dropoff_datetime": "yesterday"}',
        b'{"event_type": "ride_ended", "ride_id": 1, "dropoff_datetime": "0001-01-01T00:00:00"}',
        b'{"event_type": "ride_ended", "ride_id": 1, "tip_amount": "much"}',
        b'{"prediction": {"ride_duration": "x"}, "version": {"a": 1}, "model": ["b"]}',
        b'{"prediction": 1, "arrived_at": "2025-03-01T13:15:00"}',
        b'{"ride_id": 1, "ride": {"PULocationID": 99999, "DOLocationID": -1}}',
    ],
)
def test_whatever_is_on_the_streams_breaks_nothing(live: LiveRides, data: bytes) -> None:
    live.event(record(data))
    live.prediction(PREDICTIONS, record(data))
    live.event(started(1))
    live.prediction(PREDICTIONS, predicted(1))

    assert live.zones()["130"] == [20.0, 2.5, 1]
    assert json.dumps([live.recent(), live.versions()])


def test_its_memory_is_bounded(live: LiveRides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page.live_rides, "REMEMBERED", 100)
    for ride in range(1_000):
        live.event(started(ride, pickup=ride % 300))
        live.prediction(PREDICTIONS, predicted(ride, version=f"v{ride}"))

    assert len(live._rides) == 100
    assert len(live.versions()) == 20
    assert len(live.zones()) <= 265


def test_a_ride_that_is_waited_for_is_reported_once_it_is_predicted(live: LiveRides) -> None:
    found: list[Predicted] = []
    live.expect("page-1", found.append)
    live.prediction(CHALLENGER, predicted("page-1", 5.0))
    live.prediction(PREDICTIONS, predicted("page-2", 6.0))
    live.prediction(PREDICTIONS, predicted("page-1", 7.0))
    live.expect_no_more("page-1")
    live.prediction(PREDICTIONS, predicted("page-1", 8.0))

    assert [each.duration for each in found] == [7.0]


def test_a_tap_sees_each_record_before_it_goes_on() -> None:
    seen: list[StreamRecord] = []
    records = tapped((started(ride) for ride in itertools.count()), seen.append)

    first = next(records)

    assert seen == [first]


def test_what_a_producer_makes_long_is_not_kept(live: LiveRides) -> None:
    long = "x" * 2**20
    tracemalloc.start()
    for ride in range(100):
        live.event(started(f"{ride}{long}"))
        live.event(ended(f"{ride}{long}"))
        live.prediction(PREDICTIONS, predicted(ride, prediction={"another model's": long}))
        live.prediction(PREDICTIONS, predicted(ride, version=long, model=long))
        live.prediction(PREDICTIONS, predicted(ride, event_id=f"{ride}{long}"))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 2**20


def test_a_version_that_is_no_longer_shown_is_not_kept_by_its_rides(live: LiveRides) -> None:
    for ride in range(100):
        live.event(started(ride))
        live.prediction(PREDICTIONS, predicted(ride, version=f"v{ride}"))
    versions = [each for each in gc.get_objects() if isinstance(each, page.live_rides._Version)]
    live.event(ended(1))

    assert len(versions) == len(live.versions()) == 20


@pytest.mark.parametrize("ends", [{"ride_duration_low": 1.0}, {"ride_duration_high": 9.0}])
def test_a_range_has_both_ends_or_none(live: LiveRides, ends: dict[str, float]) -> None:
    live.prediction(PREDICTIONS, predicted(1, prediction={"ride_duration": 5.0, **ends}))

    (shown,) = live.recent()
    assert (shown["duration"], shown["low"], shown["high"]) == (5.0, None, None)


def test_a_challenger_alone_is_not_taken_for_the_champion(live: LiveRides) -> None:
    live.prediction(CHALLENGER, predicted(1))
    assert [row["champion"] for row in live.versions()] == [False]

    live.prediction(PREDICTIONS, predicted(1))
    assert [row["champion"] for row in live.versions()] == [True, False]
