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
from training.export import run_graph, run_outputs
from training.fit import NOISE, TARGETS, Target, inputs_and_target, with_noise
from training.metrics import Coverage, Metrics, measure, measure_range
from training.trips import Array, Rides, read_trips
from training.zones import load_zones

Predict: TypeAlias = Callable[[Rides], Array]

BUNDLE = "this bundle"

_MIN_TRIPS = 100  # in a slice; the share of fewer trips says little


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
class RangeScore:
    """How many trips of a slice are in the bundle's range.

    Attributes:
        trips_of: Names the slice.
        trips: Their number.
        coverage: Compares the range with their target.
    """

    trips_of: str
    trips: int
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of all models on one target.

    Attributes:
        target: The predicted target.
        trips: Number of trips that it was predicted for.
        scores: The bundle's score, then each baseline's if there are files to train them on.
        ranges: The bundle's range on all trips and on slices of them; empty if it has none.
    """

    target: Target
    trips: int
    scores: tuple[Score, ...]
    ranges: tuple[RangeScore, ...]


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
        ranges = tuple(_ranges(graph, rides, truth))
        evaluations.append(Evaluation(target, len(truth), tuple(scores), ranges))
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
    table.add_column("trained on", justify="right", min_width=len("999,999"))
    for heading in ("RMSE", "MAE", "R²", "bias", "noisy RMSE", "noisy MAE", "noisy R²"):
        table.add_column(heading, justify="right")
    for score in evaluation.scores:
        exact, noisy = score.exact, score.noisy
        values = (exact.rmse, exact.mae, exact.r2, exact.bias, noisy.rmse, noisy.mae, noisy.r2)
        numbers = [f"{value:.2f}" for value in values]
        table.add_row(score.model, f"{score.training_trips:,}", *numbers)
    return table


def as_range_table(evaluation: Evaluation) -> Table:
    """Format how many trips are in the range as a table for the terminal."""
    target = evaluation.target
    table = Table(
        title=f"range of the {target.name}: 80 % of the trips should be inside",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("trips of", no_wrap=True)
    for heading in ("trips", "inside", "below", "above", f"width, {target.unit}"):
        table.add_column(heading, justify="right")
    for score in evaluation.ranges:
        coverage = score.coverage
        shares = (coverage.inside, coverage.below, coverage.above)
        table.add_row(
            score.trips_of,
            f"{score.trips:,}",
            *(f"{share:.1%}" for share in shares),
            f"{coverage.width:.1f}",
        )
    return table


def _ranges(graph: onnx.ModelProto, rides: Rides, truth: Array) -> Iterator[RangeScore]:
    """Yield the range's score on all trips, by borough and hour of the pick-up, and with noise."""
    _, *span = run_outputs(graph, rides)
    if not span:
        return
    low, high = span
    yield RangeScore("all", len(truth), measure_range(low, high, truth))
    _, low_noisy, high_noisy = run_outputs(graph, with_noise(rides))
    noisy = measure_range(low_noisy, high_noisy, truth)
    yield RangeScore(f"all, {100 * NOISE:.0f} % noise on the distance", len(truth), noisy)
    boroughs = {zone_id: borough for zone_id, (borough, _) in load_zones().names.items()}
    for slices in (
        pd.Series(rides["PULocationID"]).map(boroughs),
        pd.Series(rides["hour"]).astype(int).map("{:02d} h".format),
    ):
        for name, rows in slices.groupby(slices).groups.items():
            if len(rows) >= _MIN_TRIPS:
                coverage = measure_range(low[rows], high[rows], truth[rows])
                yield RangeScore(str(name), len(rows), coverage)


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
