"""A training from start to end: trips → models → MLflow → bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.progress import Progress

from training.bundle_io import Months, training_record, write_bundle
from training.errors import TripDataError
from training.export import PARITY_RIDES, check_parity, run_graph
from training.figures import error_by_hour, predicted_against_true
from training.fit import (
    TARGETS,
    FittedModel,
    Target,
    fit,
    inputs_and_target,
    with_noise,
)
from training.graph import to_onnx
from training.histograms import HISTOGRAMS, Histograms
from training.level import set_level
from training.metrics import measure, measure_range
from training.ride_statistics import count_statistics
from training.tracking import Outcome, log_outcome, start_run
from training.trips import file_hashes, inputs, month_of, read_trips
from training.zones import load_zones

_HELD_OUT = 0.2


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """The files of a training and the folder for its bundle.

    Attributes:
        train: Parquet files to train on.
        validate: Files to validate on while choosing parameters, newer than those to train on;
            they also set the models' level. By default the last fifth of the training trips, by
            time, is held out and used only in the final fit.
        test: Files to test the final models on.
        output: The bundle's folder.
        until: No file to train on has a later ride: see `Months.until`.
    """

    train: Sequence[Path]
    validate: Sequence[Path] = ()
    test: Sequence[Path] = ()
    output: Path = Path("build/bundle")
    until: str = ""


def train(config: TrainingConfig, progress: Progress) -> str:
    """Train, check and track the models, then write a bundle.

    Returns:
        The bundle's version: the ID of the MLflow run.

    Raises:
        TripDataError: Trips cannot be read, a target is not known for any of them, or a month is
            used both for training and for validation or testing.
        ParityError: An exported graph's predictions differ from its model's.
    """
    months = Months(
        _months(config.train), _months(config.validate), _months(config.test), config.until
    )
    leaked = set(months.trained_on) & {*months.validated_on, *months.tested_on}
    if leaked:
        raise TripDataError(
            f"used both for training and for evaluation: {', '.join(sorted(leaked))}"
        )
    data = file_hashes(config.train)
    trips = read_trips(config.train, progress)
    validation = read_trips(config.validate, progress) if config.validate else None
    test = read_trips(config.test, progress) if config.test else None
    outcomes = [_train_target(target, trips, validation, test, progress) for target in TARGETS]
    parameters = {
        "trained on": " ".join(months.trained_on),
        "validated on": " ".join(months.validated_on) or f"last {_HELD_OUT:.0%} of the trips",
        "trips": len(trips),
    }
    histograms = _histograms(trips, outcomes)
    statistics = {**count_statistics(trips, load_zones()), HISTOGRAMS: histograms.to_json()}
    task = progress.add_task("track in MLflow", total=1 + len(outcomes))
    logged = []
    with start_run(parameters) as version:
        for outcome in outcomes:
            progress.advance(task)
            record = training_record(outcome, months, data)
            logged.append((outcome, record, log_outcome(outcome, record, statistics)))
    progress.advance(task)
    write_bundle(config.output, version, logged, statistics)
    return version


def _histograms(trips: pd.DataFrame, outcomes: Sequence[Outcome]) -> Histograms:
    """Count the trips and the models' predictions for them."""
    found, rides = Histograms(), inputs(trips)
    found.add_rides(rides)
    found.add({outcome.target.name: run_graph(outcome.graph, rides) for outcome in outcomes})
    return found


def _train_target(
    target: Target,
    trips: pd.DataFrame,
    validation: pd.DataFrame | None,
    test: pd.DataFrame | None,
    progress: Progress,
) -> Outcome:
    """Fit and validate a model, then export it and check the export."""
    if validation is None:
        cut = int(len(trips) * (1 - _HELD_OUT))
        validated, validation = fit(target, trips[:cut], progress), trips[cut:]
        model = fit(target, trips, progress)
    else:
        validated = fit(target, trips, progress)
        model = set_level(validated, validation, trips)
    task = progress.add_task(f"{target.name}: evaluate, export, check", total=3)
    metrics = {
        **evaluate_model(validated, validation, "validation"),
        "level": round(model.level, 4),
    }
    if test is not None:
        metrics |= evaluate_model(model, test, "test")
    progress.advance(task)
    graph = to_onnx(model)
    progress.advance(task)
    rng = np.random.default_rng(target.parameters.seed)
    rows = rng.choice(len(trips), min(PARITY_RIDES, len(trips)), replace=False)
    metrics["parity_largest_difference"] = check_parity(graph, model, inputs(trips.iloc[rows]))
    progress.advance(task)
    return Outcome(target, model.trips, graph, metrics, _figures(validated, validation))


def evaluate_model(model: FittedModel, trips: pd.DataFrame, name: str) -> dict[str, float]:
    """Return the metrics of a model on trips, with exact and with estimated distances."""
    rides, truth = inputs_and_target(model.target, trips)
    metrics: dict[str, float] = {f"{name}_trips": len(truth)}
    for part, seen in ((name, rides), (f"{name}_noisy", with_noise(rides))):
        prediction, *span = model.outputs(seen)
        metrics |= measure(prediction, truth).named(part)
        if span:
            low, high = span
            metrics |= measure_range(low, high, truth).named(part)
    return metrics


def _figures(model: FittedModel, trips: pd.DataFrame) -> dict[str, Figure]:
    unit = model.target.unit
    rides, truth = inputs_and_target(model.target, trips)
    prediction = model.predict(rides)
    return {
        "error_by_hour.png": error_by_hour(rides["hour"], prediction - truth, unit),
        "predicted_against_true.png": predicted_against_true(prediction, truth, unit),
    }


def _months(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(sorted(month_of(path) for path in paths))
