"""Every end that a run puts is accounted for."""

import pytest

from demo.producer import OutgoingEnd, OutgoingRide
from demo.ride_ends import EndCounts
from demo.ride_tracker import DeadLetter, Prediction, RideTracker
from tests.fakes.clock import Clock

SHARD = "shardId-000000000000"
FINISHED = {SHARD: "9"}


@pytest.fixture
def tracker(clock: Clock) -> RideTracker:
    tracker = RideTracker(clock=clock.now)
    tracker.put([OutgoingRide("1", b"{}", (130, 205))])
    tracker.predicted(Prediction(key="1", duration=21.3, tip=2.41))
    tracker.put_ends([OutgoingEnd("1", b"{}")])
    return tracker


def finish(tracker: RideTracker, clock: Clock) -> None:
    """Let the function finish what is on the stream, and time pass without any output."""
    tracker.finished(FINISHED)
    clock.advance(3)
    tracker.finished(FINISHED)


def test_an_end_is_outstanding_until_the_function_has_skipped_it(
    tracker: RideTracker, clock: Clock
) -> None:
    assert tracker.counts().outstanding == 1
    assert tracker.end_arrived(f"{SHARD}:5", "1")
    tracker.finished({SHARD: "4"})
    assert tracker.counts().ends == EndCounts(put=1, outstanding=1)
    assert not tracker.counts().accounted_for

    finish(tracker, clock)

    assert tracker.counts().ends == EndCounts(put=1, skipped=1)
    assert tracker.counts().accounted_for
    assert (tracker.counts().put, tracker.counts().others) == (1, 0)


def test_an_end_that_is_never_seen_on_the_stream_stays_outstanding(
    tracker: RideTracker, clock: Clock
) -> None:
    finish(tracker, clock)

    assert tracker.counts().outstanding == 1


def test_an_end_on_the_stream_twice_counts_once(tracker: RideTracker, clock: Clock) -> None:
    assert tracker.end_arrived(f"{SHARD}:5", "1")
    assert not tracker.end_arrived(f"{SHARD}:6", "1")

    finish(tracker, clock)

    assert tracker.counts().ends == EndCounts(put=1, skipped=1)


def test_an_end_of_another_producer_is_not_this_runs(tracker: RideTracker) -> None:
    assert not tracker.end_arrived(f"{SHARD}:5", "2")
    assert tracker.counts().ends.outstanding == 1


def test_an_end_that_kinesis_rejected_is_not_accounted_for(tracker: RideTracker) -> None:
    tracker.rejected_ends([OutgoingEnd("1", b"{}")])

    assert tracker.counts().ends == EndCounts(put=1, rejected=1)
    assert not tracker.counts().accounted_for


@pytest.mark.parametrize("arrived_first", [True, False])
def test_an_end_that_was_dead_lettered_is_not_skipped(
    tracker: RideTracker, clock: Clock, *, arrived_first: bool
) -> None:
    record = DeadLetter("1", "discarded by the event source mapping", f"{SHARD}:5", ended=True)
    if arrived_first:
        tracker.end_arrived(f"{SHARD}:5", "1")
    tracker.dead_lettered(record)
    tracker.end_arrived(f"{SHARD}:5", "1")

    finish(tracker, clock)

    assert tracker.counts().ends == EndCounts(put=1, dead_lettered=1)
    assert tracker.counts().dead_lettered == 0
    assert tracker.counts().accounted_for


def test_a_dead_letter_record_of_anothers_end_is_anothers(tracker: RideTracker) -> None:
    tracker.dead_lettered(DeadLetter("2", "no reason", f"{SHARD}:7", ended=True))

    assert tracker.counts().ends == EndCounts(put=1, outstanding=1)
    assert tracker.counts().others_dead_lettered == 1
