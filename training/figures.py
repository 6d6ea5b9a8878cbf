"""The figures that are logged with a model."""

import numpy as np
from matplotlib.figure import Figure

from training.features import HOURS_OF_DAY
from training.trips import Array


def error_by_hour(hour: Array, error: Array, unit: str) -> Figure:
    """Plot the mean and the mean absolute error for each hour of the day."""
    hours = np.minimum(hour.astype(int), HOURS_OF_DAY - 1)
    rides = np.maximum(np.bincount(hours, minlength=HOURS_OF_DAY), 1)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for values, label in ((error, "mean error (bias)"), (np.abs(error), "mean absolute error")):
        mean = np.bincount(hours, values, HOURS_OF_DAY) / rides
        axes.plot(range(HOURS_OF_DAY), mean, marker="o", label=label)
    axes.axhline(0, color="gray", linewidth=0.8)
    axes.set(xlabel="hour of pick-up", ylabel=unit)
    axes.legend()
    return figure


def predicted_against_true(prediction: Array, truth: Array, unit: str) -> Figure:
    """Plot predictions against true values as a 2-D histogram with a logarithmic scale."""
    limit = float(np.percentile(truth, 99.5)) + 1e-6
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    grid = axes.hexbin(
        truth, prediction, gridsize=60, bins="log", mincnt=1, extent=(0, limit, 0, limit)
    )
    axes.plot([0, limit], [0, limit], color="gray", linewidth=0.8)
    axes.set(
        xlabel=f"true ({unit})", ylabel=f"predicted ({unit})", xlim=(0, limit), ylim=(0, limit)
    )
    figure.colorbar(grid, label="rides")
    return figure
