"""A training from start to end: trips → models → MLflow → bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.progress import Progress

from training import tracking
from training.bundle_io import Months, write_bundle
from training.errors import TripDataError
from training.export import PARITY_RIDES, check_parity
from training.figures import error_by_hour, predicted_against_true
from training.fit import TARGETS, FittedModel, Target, fit, known, with_noise
from training.graph import to_onnx
from training.metrics import measure
from training.ride_statistics import count_statistics
from training.tracking import Outcome
from training.trips import inputs, month_of, read_trips
from training.zones import load_zones

_HELD_OUT = 0.2


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What to train on, and where to put what comes of it.

    Attributes:
        train: Parquet files to learn from.
        validate: Files to measure on, for the choices of whoever trains; none: the last fifth of
            the training trips, by time, is held out first and learnt in the final fit.
        test: Files to measure the final models on.
        output: The bundle's folder.
    """

    train: Sequence[Path]
    validate: Sequence[Path] = ()
    test: Sequence[Path] = ()
    output: Path = Path("models")


def train(order: TrainingConfig, progress: Progress) -> str:
    """Train, check, track and write a bundle.

    Returns:
        The bundle's version: the id of the MLflow run.

    Raises:
        TripDataError: Trips cannot be read, a target is known of none of them, or a month is both
            learnt and measured on.
        ParityError: An exported graph does not predict what its model predicts.
    """
    months = Months(*(_months(paths) for paths in (order.train, order.validate, order.test)))
    twice = set(months.trained_on) & {*months.validated_on, *months.tested_on}
    if twice:
        raise TripDataError(f"both learnt and measured on: {', '.join(sorted(twice))}")
    trips = read_trips(order.train, progress)
    held = read_trips(order.validate, progress) if order.validate else None
    test = read_trips(order.test, progress) if order.test else None
    outcomes = [_outcome(target, trips, held, test, progress) for target in TARGETS]
    parameters = {
        "trained on": " ".join(months.trained_on),
        "validated on": " ".join(months.validated_on) or f"last {_HELD_OUT:.0%} of the trips",
        "trips": len(trips),
    }
    with tracking.tracked(parameters) as version:
        logged = [(outcome, tracking.log(outcome)) for outcome in outcomes]
    write_bundle(order.output, version, months, logged, count_statistics(trips, load_zones()))
    return version


def _outcome(
    target: Target,
    trips: pd.DataFrame,
    held: pd.DataFrame | None,
    test: pd.DataFrame | None,
    progress: Progress,
) -> Outcome:
    """Measure on trips later than those learnt from, then fit for good, export and check."""
    cut = len(trips) if held is not None else int(len(trips) * (1 - _HELD_OUT))
    later = held if held is not None else trips[cut:]
    model = fit(target, trips[:cut], progress)
    metrics = judge(model, later, "validation")
    figures = _figures(model, later)
    if held is None:
        model = fit(target, trips, progress)
    if test is not None:
        metrics |= judge(model, test, "test")
    graph = to_onnx(model)
    rng = np.random.default_rng(target.parameters.seed)
    rows = rng.choice(len(trips), min(PARITY_RIDES, len(trips)), replace=False)
    metrics["parity_largest_difference"] = check_parity(graph, model, inputs(trips.iloc[rows]))
    return Outcome(target, model.trips, graph, metrics, figures)


def judge(model: FittedModel, trips: pd.DataFrame, name: str) -> dict[str, float]:
    """Return the metrics of a model on some trips, with exact and with estimated distance."""
    rides, truth = known(model.target, trips)
    noisy = with_noise(rides)
    return {
        **measure(model.predict(rides), truth).named(name),
        **measure(model.predict(noisy), truth).named(f"{name}_noisy"),
        f"{name}_trips": len(truth),
    }


def _figures(model: FittedModel, trips: pd.DataFrame) -> dict[str, Figure]:
    target = model.target
    rides, truth = known(target, trips)
    prediction = model.predict(rides)
    return {
        "error_by_hour.png": error_by_hour(rides["hour"], prediction - truth, target.unit),
        "predicted_against_true.png": predicted_against_true(prediction, truth, target.unit),
    }


def _months(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(sorted(month_of(path) for path in paths))
