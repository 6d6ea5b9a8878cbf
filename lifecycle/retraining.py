"""Candidates from labelled rides: trained anew, or the champion with another level.

The last `HELD_OUT` of an archive's labelled days are for the gate of `lifecycle.promotion`, which
decides on the candidates as on any others. New models learn from what comes before; a
recalibration, which learns for each day from the days before it, from all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow.parquet as pq
from rich.progress import Progress

from lifecycle.errors import RetrainingError
from lifecycle.gate import MIN_DAYS, MIN_RIDES, parse_graph, require_held_out
from lifecycle.labelled_rides import ArchivedTrips
from lifecycle.prediction_quality import COMPLETE
from lifecycle.recalibration import RECALIBRATION, Recalibration, learn, level_of, with_level
from lifecycle.registry import CHAMPION, MODELS, RegisteredModel, Registry, Versions
from training.bundle_io import registered_versions
from training.download import MONTH
from training.export import run_graph
from training.fit import TARGETS, Target, inputs_and_target
from training.tracking import Outcome, log_outcome, start_run
from training.training_run import TrainingConfig, train
from training.trips import month_of, read_trips

HELD_OUT = timedelta(days=MIN_DAYS)
SETTLED = timedelta(minutes=COMPLETE)
LEAST_CHANGE = 0.005
"""A level that differs by less from the champion's is not worth a version."""

_FIRST = pd.Timestamp(0)


@dataclass(frozen=True, slots=True)
class LabelledRides:
    """An archive's labelled rides, as files that `training.trips.read_trips` reads.

    Attributes:
        learnt: Those picked up before `cut`, a file for each month.
        held_out: The others.
        cut: Midnight, New York local time.
    """

    learnt: Sequence[Path]
    held_out: Sequence[Path]
    cut: datetime

    def require_held_out(self, models: Mapping[str, RegisteredModel]) -> None:
        """Check that the rides to compare on suffice, and that no champion has seen them.

        Args:
            models: The champions by target; without any, there is nothing to compare with.

        Raises:
            RetrainingError: There are too few.
            ComparisonError: A model has seen them.
        """
        if not models:
            return
        rides = sum(pq.read_metadata(path).num_rows for path in self.held_out)
        if rides < MIN_RIDES:
            raise RetrainingError(
                f"the archive has {rides:,} labelled rides since {self.cut:%Y-%m-%d}; the "
                f"comparison with the champion needs {MIN_RIDES:,}, of {MIN_DAYS} days"
            )
        require_held_out(
            self.held_out,
            {f"{MODELS[name]} {model.version}": model for name, model in models.items()},
        )


def labelled_rides(trips: ArchivedTrips, folder: Path) -> LabelledRides:
    """Write an archive's labelled rides to a folder."""
    midnight = trips.newest.replace(hour=0, minute=0, second=0, microsecond=0)
    cut = midnight - HELD_OUT
    learnt = trips.write(folder / "learnt", None, cut)
    return LabelledRides(learnt, trips.write(folder / "held-out", cut, trips.newest), cut)


def retrain(
    labelled: LabelledRides, data: Sequence[Path], output: Path, progress: Progress
) -> Versions:
    """Train new models on trips and labelled rides, and register them.

    Args:
        labelled: The rides of an archive.
        data: Trips of earlier months.
        output: The folder for their bundle.
        progress: Shows the steps.

    Returns:
        The registered versions.

    Raises:
        RetrainingError: There are no rides to learn from, or a file's month is not before the
            archive's first.
        TrainingError: See `training.training_run.train`.
    """
    if not labelled.learnt:
        raise RetrainingError(
            f"the archive has no labelled rides before {labelled.cut:%Y-%m-%d}; those of the last "
            f"{MIN_DAYS} days are held out, to compare with the champion"
        )
    first = min(map(month_of, labelled.learnt))
    for path in data:
        if not (MONTH.search(path.stem) and month_of(path) < first):
            raise RetrainingError(
                f"DATA has {path.name}; allowed: files named by their month, which is before "
                f"{first}, the first of the archive"
            )
    until = labelled.cut.isoformat()
    train(TrainingConfig([*data, *labelled.learnt], output=output, until=until), progress)
    return registered_versions(output)


def recalibrate(
    registry: Registry, labelled: LabelledRides, progress: Progress
) -> tuple[dict[str, Recalibration], Versions]:
    """Give the champions another level, and register those for which it differs enough.

    The factor is learnt from rides that the trees have not seen; a factor that the champion has
    already is learnt anew.

    Returns:
        What was learnt, by target, and the registered versions.

    Raises:
        RegistryError: The registry cannot be reached.
        RetrainingError: There is no champion, its trees have seen all rides, or its graph has no
            level.
        TripDataError: A target is not known for any ride.
    """
    champions = champion_models(registry)
    if champions.keys() != MODELS.keys():
        raise RetrainingError("there is no champion to recalibrate; `make promote` makes one")
    paths = (*labelled.learnt, *labelled.held_out)
    if not paths:
        raise RetrainingError("the archive has no labelled rides")
    trips = read_trips(paths, progress)
    learnt, changed = {}, {}
    for target in progress.track(TARGETS, description="recalibrate"):
        champion = champions[target.name]
        new = trips[trips["pickup"] >= seen_until(champion.record)].reset_index(drop=True)
        if new.empty:
            raise RetrainingError(
                f"{target.model} {champion.version} has seen all labelled rides; there is none to "
                "learn a factor from"
            )
        learnt[target.name], made = _recalibrated(target, champion, new, paths)
        before = level_of(parse_graph(champion, target))
        if abs(made[0].metrics["level"] / before - 1) >= LEAST_CHANGE:
            changed[target.name] = made
    versions = {}
    if changed:
        with start_run({f"recalibrates {t}": champions[t].version for t in changed}):
            for name, (outcome, record) in changed.items():
                statistics = msgspec.json.decode(champions[name].statistics)
                versions[name] = log_outcome(outcome, record, statistics).version
    return learnt, versions


def champion_models(registry: Registry) -> dict[str, RegisteredModel]:
    """Return the champions that there are, by target.

    Raises:
        RegistryError: The registry cannot be reached.
    """
    found = registry.aliased(CHAMPION)
    return {target: registry.model(target, version) for target, version in found.items()}


def seen_until(record: Mapping[str, Any]) -> pd.Timestamp:
    """Return the time before which everything was picked up that a model's trees have seen."""
    if record.get("until"):
        return pd.Timestamp(record["until"])
    months = [m for m in (*record["trained_on"], *record["validated_on"]) if MONTH.fullmatch(m)]
    return max((pd.Timestamp(m) + pd.offsets.MonthBegin() for m in months), default=_FIRST)


def _recalibrated(
    target: Target, champion: RegisteredModel, trips: pd.DataFrame, paths: Sequence[Path]
) -> tuple[Recalibration, tuple[Outcome, dict[str, Any]]]:
    """Return what was learnt, the champion with its new level, and the record of that."""
    graph, record = parse_graph(champion, target), champion.record
    base = record.get(RECALIBRATION, {}).get("base_level") or level_of(graph)
    rides, truth = inputs_and_target(target, trips)
    pickup = target.select(trips)["pickup"].to_numpy()
    learnt = learn(pickup, run_graph(with_level(graph, base), rides), truth)
    level = base * learnt.factor
    metrics = {
        "level": round(level, 4),
        "validation_trips": learnt.rides,
        "validation_rmse": round(learnt.after, 4),
        "validation_bias": round(learnt.bias, 4),
    }
    recalibration = learnt.to_record(base)
    months = {*map(month_of, paths)} - {*record["trained_on"]}
    changed = {
        **record,
        "metrics": metrics,
        # As after `make train VALIDATE=`: the months that set the level.
        "validated_on": sorted({*record["validated_on"], *months}),
        "tested_on": sorted({*record["tested_on"]} - months),
        "until": min(recalibration["factors"]),
        RECALIBRATION: recalibration,
    }
    outcome = Outcome(target, record["trips"], with_level(graph, level), metrics, {})
    return learnt, (outcome, changed)
