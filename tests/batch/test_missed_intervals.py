"""Which intervals a schedule scores: a range's, a run's own, and those that were missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import InvalidRequest
from batch.interval import Interval
from batch.missed_intervals import ON_TIME, Every, Missed, Schedule, missing, split

NEW_YORK = ZoneInfo("America/New_York")


def day(number: int, month: int = 3) -> Interval:
    start = datetime(2025, month, number)  # noqa: DTZ001  the table's local time
    return Interval(start, start + timedelta(days=1))


def at_three(number: int, month: int = 3) -> datetime:
    return datetime(2025, month, number, 3, tzinfo=NEW_YORK)


def test_a_range_is_split_into_months_of_their_own_length() -> None:
    months = split(Interval.parse("2024-01-01", "2024-04-01"), Every.MONTH)

    assert [str(month) for month in months] == [
        "[2024-01-01T00:00:00, 2024-02-01T00:00:00)",
        "[2024-02-01T00:00:00, 2024-03-01T00:00:00)",
        "[2024-03-01T00:00:00, 2024-04-01T00:00:00)",
    ]


def test_days_are_whole_where_the_clocks_change() -> None:
    found = split(Interval.parse("2025-03-08", "2025-03-11"), Every.DAY)
    assert found == [day(8), day(9), day(10)]  # the clocks go forward on the 9th


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(0, 40),
    st.sampled_from(Every),
)
def test_the_parts_of_a_range_follow_each_other_without_a_gap(
    moment: datetime, parts: int, every: Every
) -> None:
    start = end = every.floor(moment)
    for _ in range(parts + 1):
        end = every.after(end)
    found = split(Interval(start, end), every)

    assert len(found) == parts + 1
    assert (found[0].since, found[-1].until) == (start, end)
    assert all(one.until == two.since for one, two in pairwise(found))
    assert all(every.before(each.until) == each.since for each in found)


@pytest.mark.parametrize(
    ("since", "until", "every", "named"),
    [
        ("2025-01-15", "2025-03-01", Every.MONTH, "SINCE is 2025-01-15T00:00:00"),
        ("2025-01-01", "2025-03-02", Every.MONTH, "UNTIL is 2025-03-02T00:00:00"),
        ("2025-03-01", "2025-03-10", Every.WEEK, "first moment of a week (a Monday)"),
        ("2025-03-01T08:00", "2025-03-02", Every.DAY, "SINCE is 2025-03-01T08:00:00"),
    ],
)
def test_a_range_that_cuts_an_interval_is_refused(
    since: str, until: str, every: Every, named: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        split(Interval.parse(since, until), every)
    assert named in str(raised.value)
    assert f"allowed with EVERY={every}" in str(raised.value)


def test_the_interval_is_that_of_the_scheduled_time_in_new_york() -> None:
    """03:00 UTC of the 2nd is still the evening of the 1st there."""
    schedule = Schedule(Every.DAY)
    assert schedule.interval(at_three(2)) == day(1)
    assert schedule.interval(datetime(2025, 3, 2, 3, tzinfo=UTC)) == day(28, month=2)
    assert Schedule(Every.MONTH).interval(at_three(2)) == Interval.parse("2025-02-01", "2025-03-01")
    assert Schedule(Every.WEEK).interval(at_three(5)) == Interval.parse("2025-02-24", "2025-03-03")


class SchedulersTime(datetime):
    """As Prefect's: what is computed from it is of its kind, which JSON knows nothing of."""


def test_an_interval_has_times_of_pythons_kind() -> None:
    scheduled = SchedulersTime(2025, 3, 2, 3, tzinfo=NEW_YORK)
    (found,) = Schedule(Every.DAY).due(scheduled, scheduled, [])

    assert found == day(1)
    assert {type(found.since), type(found.until)} == {datetime}


def test_an_interval_is_left_alone_for_the_delay() -> None:
    schedule = Schedule(Every.DAY, delay=timedelta(hours=4))
    assert schedule.interval(at_three(2)) == day(28, month=2)
    assert schedule.interval(at_three(2) + timedelta(hours=1)) == day(1)


# An outage from the 3rd: the runs of the 4th, the 5th and the 6th all start on the 6th at noon.
BACK = at_three(6) + timedelta(hours=9)
SCORED = [day(1), day(2)]


def runs_after_the_outage(schedule: Schedule) -> list[list[Interval]]:
    complete, found = list(SCORED), []
    for scheduled in (at_three(4), at_three(5), at_three(6)):
        found.append(schedule.due(scheduled, BACK, complete))
        complete += found[-1]
    return found


def test_all_makes_up_for_every_missed_interval_once() -> None:
    assert runs_after_the_outage(Schedule(Every.DAY, Missed.ALL)) == [[day(3)], [day(4)], [day(5)]]


def test_all_makes_up_for_runs_that_never_were() -> None:
    """The scheduler was away as well, and has no runs of those days."""
    schedule = Schedule(Every.DAY, Missed.ALL)
    assert schedule.due(at_three(7), at_three(7), SCORED) == [day(3), day(4), day(5), day(6)]


def test_latest_scores_the_newest_and_no_other() -> None:
    assert runs_after_the_outage(Schedule(Every.DAY, Missed.LATEST)) == [[], [], [day(5)]]


def test_none_waits_for_the_next_run() -> None:
    schedule = Schedule(Every.DAY, Missed.NONE)
    assert runs_after_the_outage(schedule) == [[], [], []]
    assert schedule.due(at_three(7), at_three(7) + ON_TIME, SCORED) == [day(6)]
    assert schedule.due(at_three(7), at_three(7) + ON_TIME * 1.01, SCORED) == []


@pytest.mark.parametrize("missed", Missed)
def test_when_a_run_starts_never_says_which_interval_is_its_own(missed: Missed) -> None:
    schedule = Schedule(Every.DAY, missed, since=day(5).since)
    for late in (timedelta(0), timedelta(hours=2), timedelta(days=3)):
        assert set(schedule.due(at_three(6), at_three(6) + late, [])) <= {day(5)}
    assert schedule.due(at_three(6), at_three(6), []) == [day(5)]


@pytest.mark.parametrize("missed", Missed)
def test_what_is_complete_is_not_scored_again(missed: Missed) -> None:
    assert Schedule(Every.DAY, missed).due(at_three(3), at_three(3), SCORED) == []


def test_all_begins_at_since_or_at_the_first_that_was_scored() -> None:
    asked = at_three(4), at_three(4)
    assert Schedule(Every.DAY).due(*asked, []) == [day(3)]
    assert Schedule(Every.DAY).due(*asked, [day(2)]) == [day(3)]
    assert Schedule(Every.DAY, since=day(1).since).due(*asked, [day(2)]) == [day(1), day(3)]
    assert Schedule(Every.DAY, since=day(9).since).due(*asked, []) == []


def test_a_month_that_was_scored_has_its_days() -> None:
    march = Interval.parse("2025-03-01", "2025-04-01")
    wanted = [day(31), day(1, month=4)]
    assert missing(wanted, [march]) == [day(1, month=4)]
    assert missing([march], [day(1), day(2)]) == [march]


def test_a_schedule_that_begins_within_an_interval_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="SINCE is 2025-03-02"):
        Schedule(Every.MONTH, since=day(2).since)
    with pytest.raises(InvalidRequest, match="without an offset"):
        Schedule(Every.DAY, since=day(2).since.replace(tzinfo=UTC))
    with pytest.raises(InvalidRequest, match="DELAY is"):
        Schedule(Every.DAY, delay=timedelta(hours=-1))
