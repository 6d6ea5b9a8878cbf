from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from lifecycle.archive_query import open_archive_tables
from lifecycle.prediction_quality import By, Figures, figures_by
from lifecycle.scored_predictions import Scope, Scored, score
from tests.lifecycle.ride_archive import NOON, RideArchive, at, no_client

HOUR_LATER = Scope(as_of=at(60))


def measured(archive: RideArchive, by: By = "version", scope: Scope = Scope()) -> list[Figures]:  # noqa: B008  frozen
    with open_archive_tables(archive.write(), no_client) as tables:
        return figures_by(score(tables, scope), by)


def counted(archive: RideArchive, scope: Scope = Scope()) -> Scored:  # noqa: B008  frozen
    with open_archive_tables(archive.write(), no_client) as tables:
        return score(tables, scope)


def approx(value: float) -> Any:
    return pytest.approx(value)


def errors(figures: Figures) -> tuple[float | None, ...]:
    return figures.rmse, figures.mae, figures.bias


def test_errors_are_of_prediction_minus_truth(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=13)
    archive.ride("b", at(1), 20, one=16)

    (found,) = measured(archive)

    assert errors(found) == pytest.approx((math.sqrt((9 + 16) / 2), 3.5, -0.5))
    assert (found.predictions, found.labelled, found.rides) == (2, 2, 2)


def test_many_rides_have_the_errors_that_numpy_computes(archive: RideArchive) -> None:
    rng = np.random.default_rng(1)
    truth, predicted = rng.uniform(0.5, 70, 300), rng.uniform(1, 60, 300)
    for index in rng.permutation(300):
        archive.ride(f"r{index}", at(float(index)), truth[index], one=predicted[index])
        if index % 50 == 0:
            archive.write()
    kept = (truth >= 1) & (truth <= 60)
    error = (predicted - truth)[kept]

    (found,) = measured(archive)

    expected = (np.sqrt(np.mean(error**2)), np.mean(np.abs(error)), np.mean(error))
    assert errors(found) == pytest.approx(expected, abs=1e-6)
    assert (found.labelled, found.rides) == (300, int(kept.sum()))


def test_rides_outside_of_what_models_are_trained_on_have_a_label_and_no_score(
    archive: RideArchive,
) -> None:
    for ride_id, minutes in {"a": 0.9, "b": 1.0, "c": 60.0, "d": 60.1}.items():
        archive.ride(ride_id, at(0), minutes, one=5)

    (found,) = measured(archive)

    assert (found.predictions, found.labelled, found.rides) == (4, 4, 2)
    assert counted(archive).out_of_range == 2


@pytest.mark.parametrize("order", ["label first", "prediction first"])
def test_labels_may_arrive_before_their_prediction_or_days_later(
    archive: RideArchive, order: str
) -> None:
    days = timedelta(days=3)
    event_id = archive.start("a", at(0))
    label, prediction = (days, 0 * days) if order == "prediction first" else (0 * days, days)
    archive.end("a", at(10), arrived_at=at(10) + label)
    archive.write()
    archive.predict(event_id, "a", 12, published_at=at(0) + prediction)

    (found,) = measured(archive)

    assert (found.labelled, found.bias) == (1, approx(2))


def test_without_an_end_a_prediction_has_no_label(archive: RideArchive) -> None:
    archive.ride("a", at(0), None, one=5)
    archive.ride("b", at(0), 10, one=5)

    (found,) = measured(archive)

    assert (found.predictions, found.labelled, found.labelled_share) == (2, 1, 0.5)


def test_the_first_of_two_labels_counts(archive: RideArchive) -> None:
    archive.ride("a", at(0), None, one=10)
    archive.end("a", at(30), arrived_at=at(40))
    archive.end("a", at(20), arrived_at=at(35))

    (found,) = measured(archive)

    assert (found.labelled, found.bias) == (1, approx(-10))


def test_a_prediction_that_was_published_twice_counts_once(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=11)
    archive.write()
    archive.predict("shard:0", "a", 19, published_at=at(5))

    (found,) = measured(archive)

    assert (found.predictions, found.bias) == (1, approx(1))


def test_a_start_that_is_in_the_archive_twice_is_one_ride(archive: RideArchive) -> None:
    for _ in range(2):
        archive.start("a", at(0), event_id="shard:7")
    archive.end("a", at(10))
    archive.predict("shard:7", "a", 11)

    (found,) = measured(archive)

    assert (found.predictions, found.labelled) == (1, 1)


def test_a_ride_id_that_occurs_twice_is_two_rides(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=11)
    archive.ride("a", at(100), 20, one=22)
    archive.ride("a", at(200), None, one=30)

    (found,) = measured(archive)

    assert (found.predictions, found.labelled) == (3, 2)
    assert (found.mae, found.bias) == (approx(1.5), approx(1.5))


def test_an_end_before_every_start_of_its_ride_belongs_to_none(archive: RideArchive) -> None:
    archive.ride("a", at(0), -5, one=10)
    archive.end("stranger", at(3))

    (found,) = measured(archive)

    assert (found.labelled, found.rmse) == (0, None)
    assert counted(archive).ends_without_start == 2


def test_a_prediction_whose_ride_is_not_in_the_archive_is_reported(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=10)
    archive.predict("elsewhere:1", "a", 99)
    archive.predict("shard:0", "another ride", 99)

    assert [found.predictions for found in measured(archive)] == [1]
    assert counted(archive, Scope(as_of=at(600))).without_start == 2


def test_versions_and_models_are_apart(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=11, two=14)
    archive.predict("shard:0", "a", 18, model="another model")

    found = {(f.model, f.version): f.bias for f in measured(archive)}

    assert list(found.values()) == pytest.approx([8, 1, 4])
    assert [version for _, version in found] == ["one", "one", "two"]


def test_another_models_rows_are_left_out(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=11)
    archive.predict("shard:0", "a", None, model="fraud", ride_tip=3.0)
    archive.predict("shard:0", "a", math.nan, model="broken")
    archive.predict("shard:0", "a", math.inf, model="broken")

    assert [f.model for f in measured(archive)] == ["ride_duration_tip_prediction_model"]


def ranged(archive: RideArchive, ride_id: str, minutes: float | None, *ends: float | None) -> None:
    event_id = archive.start(ride_id, at(0))
    if minutes is not None:
        archive.end(ride_id, at(minutes))
    low, high = ends
    archive.predict(event_id, ride_id, 10, ride_duration_low=low, ride_duration_high=high)


def test_a_share_of_the_scored_rides_lies_in_their_range(archive: RideArchive) -> None:
    ranged(archive, "within", 10, 8, 12)
    ranged(archive, "at an end", 10, 8, 10)
    ranged(archive, "longer", 10.1, 8, 10)
    ranged(archive, "shorter", 7.9, 8, 12)
    ranged(archive, "without a range", 10, None, None)
    ranged(archive, "half a range", 10, math.nan, 12)
    ranged(archive, "without a label", None, 8, 12)
    ranged(archive, "not scored", 0.5, 0, 1)

    (found,) = measured(archive)

    assert (found.rides, found.in_range) == (6, 0.5)
    assert {each.part: each.in_range for each in measured(archive, "borough")} == {"Queens": 0.5}


def test_the_range_is_that_of_the_prediction_that_was_published_first(archive: RideArchive) -> None:
    ranged(archive, "a", 10, 8, 12)
    later = {"ride_duration_low": 20.0, "ride_duration_high": 30.0, "published_at": at(5)}
    archive.predict("shard:0", "a", 25, **later)

    (found,) = measured(archive)

    assert (found.predictions, found.in_range) == (1, 1)


def test_a_tip_has_no_range(archive: RideArchive) -> None:
    event_id = archive.start("a", at(0))
    archive.end("a", at(10))
    ends = {"ride_duration_low": 1.0, "ride_duration_high": 20.0}
    archive.predict(event_id, "a", 10, ride_tip=2.0, **ends)

    (found,) = measured(archive, scope=Scope("tip"))

    assert (found.rides, found.in_range) == (1, None)


def test_slices_are_of_the_pickup_in_new_york(archive: RideArchive) -> None:
    archive.ride("noon", NOON, 10, one=11)
    summer = archive.start("b", datetime(2025, 7, 1, 16, 59, tzinfo=UTC), PULocationID=43)
    archive.predict(summer, "b", 10)
    nowhere = archive.start("c", at(0), PULocationID=264, trip_distance=0)
    archive.predict(nowhere, "c", 10)

    by_hour, by_borough, by_distance = (
        {f.part: (f.predictions, f.rides) for f in measured(archive, by)}
        for by in ("hour", "borough", "distance")
    )

    assert by_hour == {"12:00": (3, 1)}
    assert by_borough == {"Manhattan": (1, 0), "Queens": (1, 1), "other borough": (1, 0)}
    assert list(by_distance.items()) == [("not known", (1, 0)), ("2-5 mi", (2, 1))]


@pytest.mark.parametrize(
    ("miles", "band"), [(0.01, "0-1 mi"), (1, "1-2 mi"), (9.99, "5-10 mi"), (10, "from 10 mi")]
)
def test_bands_of_distance_are_those_of_the_gate(
    archive: RideArchive, miles: float, band: str
) -> None:
    archive.predict(archive.start("a", at(0), trip_distance=miles), "a", 10)

    assert [f.part for f in measured(archive, "distance")] == [band]


def test_cohorts_show_that_the_last_minutes_have_the_short_rides_only(
    archive: RideArchive,
) -> None:
    """The model always says 20: too long for short rides, too short for long ones."""
    for start in range(120):
        archive.ride(f"short {start}", at(start), 10, one=20)
        archive.ride(f"long {start}", at(start), 50, one=20)

    found = {f.part: f for f in measured(archive, "age", Scope(as_of=at(120)))}

    whole = found["at least 60 min"]
    assert (whole.predictions, whole.labelled_share, whole.bias) == (122, 1, approx(-10))
    assert found["all ages"].predictions == 240
    assert found["all ages"].labelled == 111 + 71  # those that have ended by then
    assert found["all ages"].bias == approx((111 * 10 - 71 * 30) / 182)
    assert found["at least 30 min"].labelled_share < 1


def test_what_happened_later_is_not_known_yet(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=10)
    archive.ride("b", at(0), 61, one=10)
    archive.ride("c", at(61), 5, one=10)

    (found,) = measured(archive, scope=HOUR_LATER)

    assert (found.predictions, found.labelled) == (2, 1)


def test_since_counts_from_the_latest_event(archive: RideArchive) -> None:
    for minutes in (0, 50, 100):
        archive.ride(f"{minutes}", at(minutes), 10, one=10)

    def since(value: datetime | timedelta) -> int:
        (found,) = measured(archive, scope=Scope(since=value))
        return found.predictions

    assert since(timedelta(minutes=60)) == 2  # the last drop-off is at 110
    assert since(timedelta(minutes=59)) == 1
    assert since(at(0)) == 3
    assert since(at(0.1)) == 2


def test_a_wrong_clock_does_not_age_every_ride(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=10)
    archive.start("b", datetime(2099, 1, 1, tzinfo=UTC), arrived_at=at(5))

    assert counted(archive).as_of == at(10)


def test_tips_are_known_of_rides_paid_by_card(archive: RideArchive) -> None:
    ends: dict[str, dict[str, Any]] = {
        "card": {"tip_amount": 3.0},
        "cash": {"tip_amount": 0.0, "payment_type": 2},
        "not known": {"tip_amount": None},
        "large": {"tip_amount": 50.5},
    }
    for ride_id, end in ends.items():
        event_id = archive.start(ride_id, at(0))
        archive.end(ride_id, at(10), **end)
        archive.predict(event_id, ride_id, 10, ride_tip=2.0)

    (found,) = measured(archive, scope=Scope("tip"))

    assert (found.predictions, found.labelled, found.rides) == (4, 2, 1)
    assert found.bias == approx(-1)
