import pytest

from demo.demo import exit_status, is_over
from demo.ride_tracker import RideCounts

COMPLETE = RideCounts(put=10, predicted=9, dead_lettered=1)
WAITING = RideCounts(put=10, predicted=9)
OTHERS_WAIT = RideCounts(others_predicted=150, others_outstanding=50)


def test_a_run_ends_when_every_ride_is_put_and_completed() -> None:
    assert is_over(COMPLETE, all_put=True, idle=0.0, time_is_up=False)


def test_a_run_goes_on_while_rides_are_still_to_come() -> None:
    assert not is_over(COMPLETE, all_put=False, idle=1000.0, time_is_up=False)


def test_a_run_waits_for_outstanding_rides() -> None:
    assert not is_over(WAITING, all_put=True, idle=60.0, time_is_up=False)


@pytest.mark.parametrize("all_put", [True, False])
def test_a_run_ends_with_outstanding_rides_when_nothing_happens_any_more(*, all_put: bool) -> None:
    assert is_over(WAITING, all_put=all_put, idle=91.0, time_is_up=False)


def test_after_ctrl_c_outstanding_rides_get_a_few_seconds() -> None:
    assert not is_over(WAITING, all_put=True, idle=0.0, time_is_up=False)
    assert is_over(WAITING, all_put=True, idle=0.0, time_is_up=True)


def test_a_run_that_waits_only_for_others_does_not_end_because_nothing_happens() -> None:
    assert not is_over(OTHERS_WAIT, all_put=False, idle=1000.0, time_is_up=False)


@pytest.mark.parametrize(
    ("counts", "goal", "status"),
    [
        pytest.param(COMPLETE, 10, 0, id="every ride accounted for"),
        pytest.param(COMPLETE, None, 0, id="an endless run that was stopped"),
        pytest.param(COMPLETE, 11, 1, id="stopped before every ride was put"),
        pytest.param(WAITING, 10, 1, id="a ride outstanding"),
        pytest.param(OTHERS_WAIT, None, 1, id="an event of others outstanding"),
        pytest.param(
            RideCounts(put=10, predicted=9, rejected=1), 10, 1, id="a ride rejected by Kinesis"
        ),
        pytest.param(
            RideCounts(put=10, predicted=10, others_predicted=3, duplicates=2), 10, 0, id="others"
        ),
    ],
)
def test_the_exit_status_is_0_only_if_every_ride_is_accounted_for(
    counts: RideCounts, goal: int | None, status: int
) -> None:
    assert exit_status(counts, goal) == status
