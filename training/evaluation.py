"""Measure a bundle on months of trips, beside the baselines."""

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
from training.fit import TARGETS, Target, known, with_noise
from training.metrics import Metrics, measure
from training.trips import Array, Rides, read_trips

Predict: TypeAlias = Callable[[Rides], Array]

BUNDLE = "this bundle"


@dataclass(frozen=True, slots=True)
class Score:
    """How one model did.

    Attributes:
        model: `BUNDLE`, or the baseline's name.
        learnt_from: How many trips it was fitted to.
        exact: Errors with the distance as it was metered.
        noisy: Errors with the distance 15 % off, as it is estimated when a ride starts.
    """

    model: str
    learnt_from: int
    exact: Metrics
    noisy: Metrics


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How all models did on one target.

    Attributes:
        target: What was predicted.
        trips: For how many trips.
        scores: The bundle's, then each baseline's, if there was anything to learn from.
    """

    target: Target
    trips: int
    scores: tuple[Score, ...]


def evaluate(
    bundle: Path, data: Sequence[Path], train: Sequence[Path], progress: Progress
) -> list[Evaluation]:
    """Measure the bundle's models and the baselines.

    Args:
        bundle: The bundle's folder.
        data: Parquet files to measure on.
        train: Parquet files that the baselines learn from; none: they are left out.
        progress: Shows how far it is.

    Raises:
        TripDataError: Trips cannot be read, or a target is known of none of them.
        BundleError: The bundle lacks its manifest or a model.
    """
    models = {target: read_model(bundle, target.name) for target in TARGETS}
    trips = read_trips(data, progress)
    earlier = read_trips(train, progress) if train else None
    measured = 1 + (len(BASELINES) if train else 0)
    task = progress.add_task("evaluate", total=len(TARGETS) * measured)
    evaluations = []
    for target, (graph, learnt_from) in models.items():
        rides, truth = known(target, trips)
        scores = []
        for name, fitted_to, predict in _predictors(graph, learnt_from, target, earlier):
            exact = measure(predict(rides), truth)
            noisy = measure(predict(with_noise(rides)), truth)
            scores.append(Score(name, fitted_to, exact, noisy))
            progress.advance(task)
        evaluations.append(Evaluation(target, len(truth), tuple(scores)))
    return evaluations


def training_files(
    months: Sequence[str], data: Sequence[Path], source: TripData, progress: Progress
) -> list[Path]:
    """Return the files of some months: from beside `data`, else from `source`."""
    beside = {
        month: path.with_name(file_name(month))
        for path in data
        for month in months
        if path.with_name(file_name(month)).exists()
    }
    return [beside.get(month) or source.files([month], progress)[0] for month in months]


def as_table(evaluation: Evaluation) -> Table:
    """Return an evaluation as a table for the terminal."""
    target = evaluation.target
    table = Table(
        title=f"{target.name} of {evaluation.trips:,} trips ({target.unit})",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        caption="noisy: the distance is 15 % off, as it is estimated when a ride starts",
    )
    table.add_column("model", no_wrap=True)
    table.add_column("learnt from", justify="right", min_width=len("1,000,000"))
    for heading in ("RMSE", "MAE", "R²", "noisy RMSE", "noisy MAE", "noisy R²"):
        table.add_column(heading, justify="right")
    for score in evaluation.scores:
        numbers = [
            f"{value:.2f}"
            for metrics in (score.exact, score.noisy)
            for value in (metrics.rmse, metrics.mae, metrics.r2)
        ]
        table.add_row(score.model, f"{score.learnt_from:,}", *numbers)
    return table


def _predictors(
    graph: onnx.ModelProto, learnt_from: int, target: Target, earlier: pd.DataFrame | None
) -> Iterator[tuple[str, int, Predict]]:
    """Yield each model's name, the number of trips it was fitted to, and how it predicts."""
    yield BUNDLE, learnt_from, partial(run_graph, graph)
    if earlier is None:
        return
    rides, truth = known(target, earlier)
    for baseline in BASELINES:
        model = fit_baseline(baseline, rides, truth)
        trips = min(len(truth), baseline.max_trips)
        yield baseline.name, trips, partial(predict_baseline, model)
