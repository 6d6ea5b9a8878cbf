"""The promotion gate: is a candidate better than the champion on trips that neither has seen?

The noise is that of days: rides of one day, with its weather and traffic, err together. An interval
from resampled rides would be too narrow: on 2024-01 -0.76 to -0.50 where days give -0.83 to -0.39.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has no types
from numpy.typing import NDArray

from lifecycle.errors import ComparisonError
from lifecycle.graph_cost import GraphCost, measure_graph
from lifecycle.recalibration import then_known
from lifecycle.registry import RegisteredModel
from lifecycle.slices import slices
from training.export import run_graph
from training.fit import Target, inputs_and_target
from training.trips import file_hashes, first_pickup, month_of

CONFIDENCE = 0.95
RESAMPLES = 10_000
SLICE_RIDES = 500
"""A slice with fewer rides is shown, and not decided on."""

SLICE_BOUND = 0.05
"""A candidate's RMSE may be higher than the champion's by this share in any slice: in slices of 500
rides, noise alone has a standard deviation of 1 to 2 % (real months, bootstrap)."""

MIN_RIDES, MIN_DAYS = 1_000, 14
"""With fewer held-out rides or days nothing is decided."""

_SEED = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """The errors of two models on the same rides.

    Attributes:
        name: The slice, or `all rides`.
        rides: Number of rides.
        champion, candidate: RMSE, in the target's unit.
        low, high: Ends of the 95 % interval of the difference of the mean squared errors,
            candidate minus champion, in the target's unit squared, from resampled days.
    """

    name: str
    rides: int
    champion: float
    candidate: float
    low: float
    high: float

    @property
    def is_better(self) -> bool:
        """Whether the candidate is better by more than noise."""
        return self.high < 0

    @property
    def is_too_bad(self) -> bool:
        """Whether the candidate is worse than `SLICE_BOUND` allows, on enough rides to say so."""
        return self.rides >= SLICE_RIDES and self.candidate > self.champion * (1 + SLICE_BOUND)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside the champion.

    Attributes:
        target: What both predict.
        champion_version, candidate_version: Their numbers in the registry.
        months: The held-out months.
        overall: On all rides for which the target is known.
        by_slice: On parts of them.
        champion_cost, candidate_cost: Time and memory; shown, not decided on.
    """

    target: Target
    champion_version: str
    candidate_version: str
    months: tuple[str, ...]
    overall: Difference
    by_slice: tuple[Difference, ...]
    champion_cost: GraphCost
    candidate_cost: GraphCost

    @property
    def objections(self) -> list[str]:
        """Why the candidate should not be the champion; empty: it should."""
        unit, found = self.target.unit, []
        if not self.overall.is_better:
            found.append(
                f"not better by more than noise: RMSE {self.overall.candidate:.3f} instead of "
                f"{self.overall.champion:.3f} {unit} on {self.overall.rides:,} rides, and the "
                f"{CONFIDENCE:.0%} interval of the difference in squared error, "
                f"{self.overall.low:+.3f} to {self.overall.high:+.3f}, is not below 0"
            )
        found += [
            f"worse than {SLICE_BOUND:.0%} in {part.name}: RMSE {part.candidate:.3f} instead of "
            f"{part.champion:.3f} {unit} on {part.rides:,} rides"
            for part in self.by_slice
            if part.is_too_bad
        ]
        return found

    def figures(self) -> dict[str, Any]:
        """Return the figures for the audit log."""
        overall = {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in asdict(self.overall).items()
        }
        return {
            "held_out": self.months,
            **overall,
            "candidate_us_per_ride": self.candidate_cost.us_per_ride,
            "candidate_mb": self.candidate_cost.mb,
        }


def require_held_out(paths: Sequence[Path], models: Mapping[str, RegisteredModel]) -> None:
    """Check that no model has seen any of the files, by month and by content.

    The months that a model was validated on count: its level was taken from them. Of a model that
    has learnt from a month's first days only, later rides of that month are held out; so are those
    of a recalibrated model, each of whose days is compared with the factor of the days before.

    Args:
        paths: Parquet files.
        models: What is to be compared, by a name for the error.

    Raises:
        ComparisonError: It was; the message names the months.
        TripDataError: A file cannot be read.
    """
    hashes = file_hashes(paths)
    first = {month_of(path): first_pickup(path) for path in paths}
    for name, model in models.items():
        record = model.record
        months = {*record["trained_on"], *record["validated_on"]}
        contents = set(record["data"].values())
        until = pd.Timestamp(record.get("until") or pd.Timestamp.max)
        later = {month for month in months & first.keys() if first[month] >= until}
        seen = sorted(
            month
            for month, digest in hashes.items()
            if month in months - later or digest in contents
        )
        if seen:
            raise ComparisonError(
                f"{name} has seen {', '.join(seen)} in its training; DATA must be months that "
                "neither the candidate nor the champion has seen"
            )


def compare(
    target: Target,
    champion: RegisteredModel,
    candidate: RegisteredModel,
    trips: pd.DataFrame,
    paths: Sequence[Path],
) -> Comparison:
    """Compare a candidate with the champion on the same trips.

    The predictions of a recalibrated model are those of each trip's day: see
    `lifecycle.recalibration`.

    Args:
        target: What both predict.
        champion: The model that serves.
        candidate: The model that may replace it.
        trips: From `training.trips.read_trips`, held out: see `require_held_out`.
        paths: The files that they come from.

    Raises:
        ComparisonError: There are too few trips with a known target, or a model cannot be run.
        TripDataError: There is none.
    """
    rides, truth = inputs_and_target(target, trips)
    dates = target.select(trips)["pickup"].dt.normalize()
    day = dates.rank(method="dense").to_numpy().astype(int) - 1
    days = int(dates.nunique())
    if len(truth) < MIN_RIDES or days < MIN_DAYS:
        raise ComparisonError(
            f"the {target.name} of {len(truth):,} held-out trips on {days} days is known; at least "
            f"{MIN_RIDES:,} trips on {MIN_DAYS} days are needed"
        )
    pickup = target.select(trips)["pickup"].to_numpy()
    squares = [
        (run_graph(parse_graph(model, target), rides) * then_known(model.record, pickup) - truth)
        ** 2
        for model in (champion, candidate)
    ]
    everything = np.ones(len(truth), bool)
    overall, *by_slice = (
        difference(name, squares[0][mask], squares[1][mask], day[mask])
        for name, mask in (("all rides", everything), *slices(rides))
    )
    return Comparison(
        target,
        champion.version,
        candidate.version,
        tuple(sorted(map(month_of, paths))),
        overall,
        tuple(by_slice),
        measure_graph(champion.graph, rides),
        measure_graph(candidate.graph, rides),
    )


def difference(
    name: str,
    champion: NDArray[np.float64],
    candidate: NDArray[np.float64],
    day: NDArray[np.int_],
) -> Difference:
    """Compare squared errors on the same rides.

    The interval is that of a paired bootstrap by blocks (Efron 1979, "Bootstrap methods"; Kuensch
    1989 on blocks): whole days are drawn with replacement. It is seeded.

    Args:
        name: The slice.
        champion: Squared errors; [N].
        candidate: The same of the other model.
        day: Each ride's day as a number from 0.
    """
    rides = np.bincount(day)
    by_day = np.bincount(day, candidate - champion)[rides > 0]
    rides = rides[rides > 0]
    drawn = np.random.default_rng(_SEED).integers(0, len(rides), (RESAMPLES, len(rides)))
    means = by_day[drawn].sum(axis=1) / rides[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Difference(
        name,
        len(champion),
        float(np.sqrt(champion.mean())),
        float(np.sqrt(candidate.mean())),
        float(low),
        float(high),
    )


def parse_graph(model: RegisteredModel, target: Target) -> onnx.ModelProto:
    """Return a registered model's graph.

    Raises:
        ComparisonError: It cannot be read.
    """
    try:
        return onnx.load_from_string(model.graph)
    except DecodeError as error:
        raise ComparisonError(
            f"{target.model} version {model.version} has no readable graph: {error}"
        ) from error
