"""The level of a model: a factor on its predictions, from trips that are newer than its own."""

from dataclasses import replace

import numpy as np
import pandas as pd

from training.fit import FittedModel, inputs_and_target

_YEARS = 2  # from which the season's part of the level can be told
_MONTH_TRIPS = 1_000  # fewer are some taxis' wrong clocks


def set_level(model: FittedModel, trips: pd.DataFrame, fitted: pd.DataFrame) -> FittedModel:
    """Return the model with the level of the month after one that it was not fitted to.

    The level differs from year to year and with the season, which the features do not hold. It
    changes from month to month, too; therefore only `Parameters.level_share` of the difference
    between the mean of these trips and that of their predictions is corrected. The season's part
    is how the level went from this month to the next in earlier years: the mean over the years
    for which both are known, and one more year without a change. One year says nothing: its own
    trend looks like the season.

    Args:
        model: The model.
        trips: A month's trips, newer than those that it was fitted to.
        fitted: The trips that it was fitted to.
    """
    by_month = _levels(model, fitted)
    last = trips["pickup"].median().to_period("M")
    steps = [
        by_month[month + 1] / level - 1
        for month, level in by_month.items()
        if month.month == last.month and month + 1 in by_month
    ]
    season = 1 + sum(steps) / (len(steps) + 1) if len(steps) >= _YEARS else 1.0
    error = _level(model, trips) - 1
    share = model.target.parameters.level_share
    return replace(model, level=model.level * (1 + share * error) * season)


def _levels(model: FittedModel, trips: pd.DataFrame) -> dict[pd.Period, float]:
    """Return the level of each month with enough trips."""
    months = trips.groupby(trips["pickup"].dt.to_period("M"))
    return {month: _level(model, of) for month, of in months if len(of) >= _MONTH_TRIPS}


def _level(model: FittedModel, trips: pd.DataFrame) -> float:
    """Return the ratio of what happened to what the model predicts."""
    rides, truth = inputs_and_target(model.target, trips)
    return float(truth.sum(dtype=np.float64) / model.predict(rides).sum(dtype=np.float64))
