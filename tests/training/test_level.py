from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.training.city import QUIET, SMALL_DURATION, city_trips
from training.fit import FittedModel, fit
from training.level import set_level
from training.trips import inputs


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return city_trips(tmp_path_factory.mktemp("trips"))


@pytest.fixture(scope="module")
def model(january: pd.DataFrame) -> FittedModel:
    return fit(SMALL_DURATION, january, QUIET)


@pytest.fixture(scope="module")
def as_predicted(january: pd.DataFrame, model: FittedModel) -> pd.DataFrame:
    """Return trips that take as long as the model says."""
    return january.assign(duration=model.predict(inputs(january)))


def in_month(trips: pd.DataFrame, month: str, slower: float) -> pd.DataFrame:
    """Return the trips in another month, when they take longer."""
    moved = trips["pickup"] + (pd.Timestamp(month) - pd.Timestamp("2023-01"))
    return trips.assign(pickup=moved, duration=trips["duration"] * np.float32(slower))


def years(trips: pd.DataFrame, *steps: tuple[str, float]) -> pd.DataFrame:
    return pd.concat([in_month(trips, *step) for step in steps], ignore_index=True)


def test_the_level_of_newer_trips_is_taken_over_by_three_quarters(
    january: pd.DataFrame, model: FittedModel, as_predicted: pd.DataFrame
) -> None:
    slower = set_level(model, in_month(as_predicted, "2023-02", 1.2), january)

    assert model.level == 1
    assert set_level(model, as_predicted, january).level == pytest.approx(1, abs=1e-6)
    assert slower.level == pytest.approx(1.15, abs=1e-5)
    for before, after in zip(
        model.outputs(inputs(january)), slower.outputs(inputs(january)), strict=True
    ):
        np.testing.assert_allclose(after, 1.15 * before, rtol=1e-4)


SEASONS = {
    "two years": ([("2021-02", 1.0), ("2021-03", 1.1), ("2022-02", 1.2), ("2022-03", 1.26)], 1.05),
    "one year": ([("2022-02", 1.0), ("2022-03", 1.1)], 1.0),
    "other months": ([("2021-03", 1.0), ("2021-04", 2.0), ("2022-03", 1.0), ("2022-04", 2.0)], 1.0),
}


@pytest.mark.parametrize(("earlier", "step"), SEASONS.values(), ids=SEASONS.keys())
def test_the_step_to_the_next_month_is_that_of_two_earlier_years_or_none(
    model: FittedModel, as_predicted: pd.DataFrame, earlier: list[tuple[str, float]], step: float
) -> None:
    february = in_month(as_predicted, "2023-02", 1.0)

    found = set_level(model, february, years(as_predicted, *earlier))

    assert found.level == pytest.approx(step, abs=1e-4)


def test_the_step_from_december_leads_to_the_next_year(
    model: FittedModel, as_predicted: pd.DataFrame
) -> None:
    winters = [("2020-12", 1.0), ("2021-01", 0.85), ("2021-12", 1.0), ("2022-01", 0.85)]

    found = set_level(model, in_month(as_predicted, "2022-12", 1), years(as_predicted, *winters))

    assert found.level == pytest.approx(0.9, abs=1e-4)


def test_a_few_trips_with_wrong_clocks_are_no_month(
    model: FittedModel, as_predicted: pd.DataFrame
) -> None:
    odd = years(as_predicted[:300], *((f"{y}-0{m}", m) for y in (2008, 2009) for m in (2, 3)))

    assert set_level(model, in_month(as_predicted, "2023-02", 1), odd).level == pytest.approx(1)
