import pytest

from demo.producer import OutgoingRide
from demo.ride_tracker import Dead, Ledger, Meter, Prediction, Sums
from tests.fakes.clock import Clock


def ride(key: str) -> OutgoingRide:
    return OutgoingRide(key=key, data=b"{}", route=(130, 205))


def prediction(key: str) -> Prediction:
    return Prediction(key=key, duration=21.3, tip=2.41)


def dead(key: str | None) -> Dead:
    return Dead(key, "ride is missing")


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return Ledger(clock=clock.now)


def test_a_ride_is_outstanding_until_it_is_predicted(ledger: Ledger) -> None:
    ledger.put([ride("1"), ride("2")])
    ledger.predicted(prediction("1"))
    sums = ledger.sums()
    assert (sums.put, sums.predicted, sums.outstanding) == (2, 1, 1)
    assert not sums.accounted_for


def test_every_ride_predicted_or_dead_is_accounted_for(ledger: Ledger) -> None:
    ledger.put([ride("1"), ride("2")])
    ledger.predicted(prediction("1"))
    ledger.dead(dead("2"))
    assert ledger.sums() == Sums(put=2, predicted=1, dead=1)
    assert ledger.sums().accounted_for


def test_a_ride_that_kinesis_refused_is_not_accounted_for(ledger: Ledger) -> None:
    ledger.put([ride("1")])
    ledger.refused([ride("1")])
    sums = ledger.sums()
    assert (sums.refused, sums.outstanding) == (1, 0)
    assert not sums.accounted_for


def test_a_second_prediction_is_a_duplicate(ledger: Ledger) -> None:
    ledger.put([ride("1")])
    for _ in range(3):
        ledger.predicted(prediction("1"))
    assert ledger.sums() == Sums(put=1, predicted=1, duplicates=2)


def test_a_dead_letter_written_twice_counts_once(ledger: Ledger) -> None:
    ledger.put([ride("1")])
    ledger.dead(dead("1"))
    ledger.dead(dead("1"))
    assert ledger.sums() == Sums(put=1, dead=1)


def test_rides_of_others_do_not_disturb_the_sums(ledger: Ledger) -> None:
    ledger.put([ride("1")])
    ledger.predicted(prediction("256"))
    ledger.predicted(prediction("1"))
    ledger.dead(dead("257"))
    ledger.dead(dead(None))
    sums = ledger.sums()
    assert sums == Sums(put=1, predicted=1, others=1, other_dead=2)
    assert sums.accounted_for
    assert [other.key for other in ledger.recent_others()] == ["256"]


def test_the_newest_dead_letter_is_remembered_whoever_put_the_record(ledger: Ledger) -> None:
    assert ledger.newest_dead() is None
    ledger.put([ride("1")])
    ledger.dead(dead("1"))
    ledger.dead(Dead("257", "ride.trip_distance is -1"))
    assert ledger.newest_dead() == Dead("257", "ride.trip_distance is -1")


def test_the_ledger_knows_the_rides_of_this_run_alone(ledger: Ledger) -> None:
    ledger.put([ride("1"), ride("2")])
    ledger.predicted(prediction("1"))
    assert [ledger.knows(key) for key in ("1", "2", "256")] == [True, True, False]


def test_latency_runs_from_the_put_to_the_prediction(ledger: Ledger, clock: Clock) -> None:
    assert ledger.latency(0.5, 0.99) == [None, None]
    for seconds in range(100):
        ledger.put([ride(str(seconds))])
        clock.advance(seconds)
        ledger.predicted(prediction(str(seconds)))
    assert ledger.latency(0.5, 0.99) == [50, 99]


def test_the_last_predictions_come_newest_first_with_their_routes(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.put(ride(str(number)) for number in range(20))
    clock.advance(0.25)
    for number in range(20):
        ledger.predicted(prediction(str(number)))
    newest = ledger.recent()[0]
    assert [recent.key for recent in ledger.recent()] == [str(key) for key in range(19, 11, -1)]
    assert (newest.route, newest.latency, newest.tip) == ((130, 205), 0.25, 2.41)


def test_an_endless_run_remembers_only_so_many_answered_rides(clock: Clock) -> None:
    ledger = Ledger(clock=clock.now, remembered=10)
    for number in range(11):
        ledger.put([ride(str(number))])
        ledger.predicted(prediction(str(number)))
    ledger.predicted(prediction("10"))
    ledger.predicted(prediction("0"))
    assert ledger.sums() == Sums(put=11, predicted=11, duplicates=1, others=1)


def test_idle_time_starts_anew_with_each_put_and_answer(ledger: Ledger, clock: Clock) -> None:
    clock.advance(5)
    assert ledger.idle() == 5
    ledger.put([ride("1"), ride("2")])
    clock.advance(3)
    assert ledger.idle() == 3
    ledger.dead(dead("1"))
    clock.advance(2)
    ledger.predicted(prediction("256"))
    assert ledger.idle() == 2


def test_a_meter_gives_the_rate_of_the_last_seconds() -> None:
    meter = Meter(window=5.0)
    assert meter.rate(0.0, 0) == 0
    assert meter.rate(1.0, 100) == 100
    for second in range(2, 8):
        meter.rate(float(second), 100)
    assert meter.rate(8.0, 110) == 2
