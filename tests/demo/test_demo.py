import pytest

from demo.demo import exit_status, is_over
from demo.ride_tracker import Sums

ANSWERED = Sums(put=10, predicted=9, dead=1)
WAITING = Sums(put=10, predicted=9)


def test_a_run_ends_when_every_ride_is_put_and_answered() -> None:
    assert is_over(ANSWERED, all_put=True, idle=0.0, stopping=0.0)


def test_a_run_goes_on_while_rides_are_still_to_come() -> None:
    assert not is_over(ANSWERED, all_put=False, idle=1000.0, stopping=0.0)


def test_a_run_waits_for_outstanding_rides() -> None:
    assert not is_over(WAITING, all_put=True, idle=60.0, stopping=0.0)


@pytest.mark.parametrize("all_put", [True, False])
def test_outstanding_rides_are_given_up_when_nothing_happens_any_more(*, all_put: bool) -> None:
    assert is_over(WAITING, all_put=all_put, idle=91.0, stopping=0.0)


def test_after_ctrl_c_outstanding_rides_get_a_few_seconds() -> None:
    assert not is_over(WAITING, all_put=True, idle=0.0, stopping=4.0)
    assert is_over(WAITING, all_put=True, idle=0.0, stopping=6.0)


@pytest.mark.parametrize(
    ("sums", "goal", "status"),
    [
        pytest.param(ANSWERED, 10, 0, id="every ride accounted for"),
        pytest.param(ANSWERED, None, 0, id="an endless run that was stopped"),
        pytest.param(ANSWERED, 11, 1, id="stopped before every ride was put"),
        pytest.param(WAITING, 10, 1, id="a ride outstanding"),
        pytest.param(Sums(put=10, predicted=9, refused=1), 10, 1, id="a ride not taken"),
        pytest.param(Sums(put=10, predicted=10, others=3, duplicates=2), 10, 0, id="others"),
    ],
)
def test_the_exit_status_is_0_only_if_every_ride_is_accounted_for(
    sums: Sums, goal: int | None, status: int
) -> None:
    assert exit_status(sums, goal) == status
