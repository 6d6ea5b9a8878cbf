"""Evaluate a bundle on months of trips, compared with the baselines."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import onnx
import pandas as pd
from rich.box import SIMPLE
from rich.progress import Progress
from rich.table import Table

from training.baselines import BASELINES, fit_baseline, predict_baseline
from training.bundle_io import read_model
from training.download import TripData, file_name
from training.export import run_graph
from training.fit import NOISE, TARGETS, Target, inputs_and_target, with_noise
from training.metrics import Metrics, measure
from training.trips import Array, Rides, read_trips

Predict: TypeAlias = Callable[[Rides], Array]

BUNDLE = "this bundle"


@dataclass(frozen=True, slots=True)
class Score:
    """The metrics of one model.

    Attributes:
        model: `BUNDLE` or the baseline's name.
        training_trips: Number of trips that it was fitted to.
        exact: Metrics with the metered distance.
        noisy: Metrics with noise on the distance (`fit.NOISE`), as if estimated when a ride starts.
    """

    model: str
    training_trips: int
    exact: Metrics
    noisy: Metrics


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of all models on one target.

    Attributes:
        target: The predicted target.
        trips: Number of trips that it was predicted for.
        scores: The bundle's score, then each baseline's if there are files to train them on.
    """

    target: Target
    trips: int
    scores: tuple[Score, ...]


def evaluate_bundle(
    bundle: Path, data: Sequence[Path], train: Sequence[Path], progress: Progress
) -> list[Evaluation]:
    """Evaluate the bundle's models and the baselines.

    Args:
        bundle: The bundle's folder.
        data: Parquet files to evaluate on.
        train: Parquet files to train the baselines on; without any, the baselines are skipped.
        progress: Shows a progress bar.

    Raises:
        TripDataError: Trips cannot be read, or a target is not known for any of them.
        BundleError: The bundle has no readable manifest, or a model is missing.
    """
    models = {target: read_model(bundle, target.name) for target in TARGETS}
    trips = read_trips(data, progress)
    earlier = read_trips(train, progress) if train else None
    predictors = 1 + (len(BASELINES) if train else 0)
    task = progress.add_task("evaluate", total=len(TARGETS) * predictors)
    evaluations = []
    for target, (graph, training_trips) in models.items():
        rides, truth = inputs_and_target(target, trips)
        scores = []
        for name, fitted_to, predict in _predictors(target, graph, training_trips, earlier):
            exact = measure(predict(rides), truth)
            noisy = measure(predict(with_noise(rides)), truth)
            scores.append(Score(name, fitted_to, exact, noisy))
            progress.advance(task)
        evaluations.append(Evaluation(target, len(truth), tuple(scores)))
    return evaluations


def training_files(
    months: Sequence[str], data: Sequence[Path], source: TripData, progress: Progress
) -> list[Path]:
    """Return the files of months: from the folders of `data` if there, else from `source`."""
    next_to_data = {
        month: path.with_name(file_name(month))
        for path in data
        for month in months
        if path.with_name(file_name(month)).exists()
    }
    return [next_to_data.get(month) or source.files([month], progress)[0] for month in months]


def as_table(evaluation: Evaluation) -> Table:
    """Format an evaluation as a table for the terminal."""
    target = evaluation.target
    table = Table(
        title=f"{target.name} of {evaluation.trips:,} trips ({target.unit})",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        caption=f"noisy: with {100 * NOISE:.0f} % noise on the distance, "
        "as if estimated when a ride starts",
    )
    table.add_column("model", no_wrap=True)
    table.add_column("trained on", justify="right", min_width=len("1,000,000"))
    for heading in ("RMSE", "MAE", "R²", "noisy RMSE", "noisy MAE", "noisy R²"):
        table.add_column(heading, justify="right")
    for score in evaluation.scores:
        numbers = [
            f"{value:.2f}"
            for metrics in (score.exact, score.noisy)
            for value in (metrics.rmse, metrics.mae, metrics.r2)
        ]
        table.add_row(score.model, f"{score.training_trips:,}", *numbers)
    return table


def _predictors(
    target: Target, graph: onnx.ModelProto, training_trips: int, earlier: pd.DataFrame | None
) -> Iterator[tuple[str, int, Predict]]:
    """Yield each model's name, the number of trips it was fitted to, and its predict function."""
    yield BUNDLE, training_trips, partial(run_graph, graph)
    if earlier is None:
        return
    rides, truth = inputs_and_target(target, earlier)
    for baseline in BASELINES:
        model = fit_baseline(baseline, rides, truth)
        trips = min(len(truth), baseline.max_trips)
        yield baseline.name, trips, partial(predict_baseline, model)
