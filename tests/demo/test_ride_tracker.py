import pytest

from demo.producer import OutgoingRide
from demo.ride_tracker import DeadLetter, Prediction, RideCounts, RideTracker
from page.measures import RateMeter
from tests.fakes.clock import Clock


def ride(key: str) -> OutgoingRide:
    return OutgoingRide(key=key, data=b"{}", route=(130, 205))


def prediction(key: str) -> Prediction:
    return Prediction(key=key, duration=21.3, tip=2.41)


def dead_letter(key: str | None) -> DeadLetter:
    return DeadLetter(key, "ride is missing")


@pytest.fixture
def tracker(clock: Clock) -> RideTracker:
    return RideTracker(clock=clock.now)


def test_a_ride_is_outstanding_until_it_is_predicted(tracker: RideTracker) -> None:
    tracker.put([ride("1"), ride("2")])
    tracker.predicted(prediction("1"))
    counts = tracker.counts()
    assert (counts.put, counts.predicted, counts.outstanding) == (2, 1, 1)
    assert not counts.accounted_for


def test_a_predicted_or_dead_lettered_ride_is_accounted_for(tracker: RideTracker) -> None:
    tracker.put([ride("1"), ride("2")])
    tracker.predicted(prediction("1"))
    tracker.dead_lettered(dead_letter("2"))
    assert tracker.counts() == RideCounts(put=2, predicted=1, dead_lettered=1)
    assert tracker.counts().accounted_for


def test_a_ride_that_kinesis_rejected_is_not_accounted_for(tracker: RideTracker) -> None:
    tracker.put([ride("1")])
    tracker.rejected([ride("1")])
    counts = tracker.counts()
    assert (counts.rejected, counts.outstanding) == (1, 0)
    assert not counts.accounted_for


def test_a_second_prediction_is_a_duplicate(tracker: RideTracker) -> None:
    tracker.put([ride("1")])
    for _ in range(3):
        tracker.predicted(prediction("1"))
    assert tracker.counts() == RideCounts(put=1, predicted=1, duplicates=2)


def test_a_dead_letter_record_written_twice_counts_once(tracker: RideTracker) -> None:
    tracker.put([ride("1")])
    tracker.dead_lettered(dead_letter("1"))
    tracker.dead_lettered(dead_letter("1"))
    assert tracker.counts() == RideCounts(put=1, dead_lettered=1)


def test_rides_of_others_are_counted_separately(tracker: RideTracker) -> None:
    tracker.put([ride("1")])
    tracker.predicted(prediction("256"))
    tracker.predicted(prediction("1"))
    tracker.dead_lettered(dead_letter("257"))
    tracker.dead_lettered(dead_letter(None))
    counts = tracker.counts()
    assert counts == RideCounts(put=1, predicted=1, others_predicted=1, others_dead_lettered=2)
    assert counts.accounted_for
    assert [other.key for other in tracker.recent_others()] == ["256"]


def test_the_newest_dead_letter_record_may_be_of_a_ride_put_by_others(tracker: RideTracker) -> None:
    assert tracker.newest_dead_letter() is None
    tracker.put([ride("1")])
    tracker.dead_lettered(dead_letter("1"))
    tracker.dead_lettered(DeadLetter("257", "ride.trip_distance is -1"))
    assert tracker.newest_dead_letter() == DeadLetter("257", "ride.trip_distance is -1")


def test_the_tracker_knows_only_the_rides_of_this_run(tracker: RideTracker) -> None:
    tracker.put([ride("1"), ride("2")])
    tracker.predicted(prediction("1"))
    assert [tracker.knows(key) for key in ("1", "2", "256")] == [True, True, False]


def test_latency_runs_from_the_put_to_the_prediction(tracker: RideTracker, clock: Clock) -> None:
    assert tracker.latency(0.5, 0.99) == [None, None]
    for seconds in range(100):
        tracker.put([ride(str(seconds))])
        clock.advance(seconds)
        tracker.predicted(prediction(str(seconds)))
    assert tracker.latency(0.5, 0.99) == [50, 99]


def test_the_last_predictions_are_newest_first_with_their_routes(
    tracker: RideTracker, clock: Clock
) -> None:
    tracker.put(ride(str(number)) for number in range(20))
    clock.advance(0.25)
    for number in range(20):
        tracker.predicted(prediction(str(number)))
    newest = tracker.recent()[0]
    assert [recent.key for recent in tracker.recent()] == [str(key) for key in range(19, 11, -1)]
    assert (newest.route, newest.latency, newest.tip) == ((130, 205), 0.25, 2.41)


def test_a_run_without_end_remembers_a_limited_number_of_completed_rides(clock: Clock) -> None:
    tracker = RideTracker(clock=clock.now, remembered=10)
    for number in range(11):
        tracker.put([ride(str(number))])
        tracker.predicted(prediction(str(number)))
    tracker.predicted(prediction("10"))
    tracker.predicted(prediction("0"))
    assert tracker.counts() == RideCounts(put=11, predicted=11, duplicates=1, others_predicted=1)


SHARD = "shardId-000000000000"


def other(number: int) -> Prediction:
    return Prediction(key="256", duration=21.3, tip=2.41, event_id=f"{SHARD}:{number}")


def test_an_event_of_others_is_outstanding_until_it_has_an_outcome(tracker: RideTracker) -> None:
    for number in (1, 2, 3):
        tracker.arrived(f"{SHARD}:{number}", None)
    tracker.predicted(other(1))
    tracker.predicted(other(1))
    tracker.dead_lettered(DeadLetter("257", "ride is missing", f"{SHARD}:2"))
    tracker.dead_lettered(DeadLetter("257", "ride is missing", f"{SHARD}:2"))
    counts = tracker.counts()
    assert counts == RideCounts(
        others_predicted=1, others_dead_lettered=1, others_outstanding=1, duplicates=1
    )
    assert (counts.others, counts.outstanding, counts.accounted_for) == (3, 1, False)
    assert tracker.reasons() == {"ride": 1}


def test_an_event_that_the_function_finished_without_output_was_skipped(
    tracker: RideTracker, clock: Clock
) -> None:
    tracker.arrived(f"{SHARD}:10", None)
    tracker.arrived(f"{SHARD}:11:0", None)
    for _ in range(3):
        tracker.finished({SHARD: "10"})
        clock.advance(1.5)
    assert tracker.counts() == RideCounts(others_skipped=1, others_outstanding=1)
    tracker.predicted(other(10))
    assert tracker.counts() == RideCounts(others_predicted=1, others_outstanding=1)


def test_a_run_that_ends_counts_no_new_events_of_others(tracker: RideTracker) -> None:
    tracker.arrived(f"{SHARD}:1", None)
    tracker.ignore_new_events()
    tracker.arrived(f"{SHARD}:2", None)
    tracker.predicted(other(1))
    tracker.predicted(other(2))
    assert tracker.counts() == RideCounts(others_predicted=1)


def test_idle_time_restarts_at_each_put_and_completion(tracker: RideTracker, clock: Clock) -> None:
    clock.advance(5)
    assert tracker.idle_seconds() == 5
    tracker.put([ride("1"), ride("2")])
    clock.advance(3)
    assert tracker.idle_seconds() == 3
    tracker.dead_lettered(dead_letter("1"))
    clock.advance(2)
    tracker.predicted(prediction("256"))
    assert tracker.idle_seconds() == 2


def test_a_meter_computes_the_rate_of_the_last_seconds() -> None:
    meter = RateMeter(window=5.0)
    assert meter.rate(0.0, 0) == 0
    assert meter.rate(1.0, 100) == 100
    for second in range(2, 8):
        meter.rate(float(second), 100)
    assert meter.rate(8.0, 110) == 2
