"""Histograms of an archive, of months of trips, and of what a bundle was trained on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import onnx
from rich.progress import Progress

from training.bundle_io import read_model
from training.errors import BundleError
from training.export import run_graph
from training.fit import TARGETS
from training.histograms import HISTOGRAMS, Histograms
from training.tracking import STATISTICS
from training.trips import inputs, read_trips

_BATCH_ROWS = 100_000

_STARTED = """
SELECT PULocationID, DOLocationID, trip_distance, passenger_count, payment_type,
       hour(pickup) + minute(pickup) / 60 AS hour, isodow(pickup) - 1 AS weekday
FROM (SELECT *, pickup_datetime AT TIME ZONE 'America/New_York' AS pickup FROM ride_started)
"""
_PREDICTED = """
SELECT ride_duration AS duration, ride_tip AS tip FROM predictions WHERE version = $version
"""


def archive_histograms(db: duckdb.DuckDBPyConnection, version: str) -> Histograms:
    """Count an archive's rides, and a version's predictions; memory holds one batch of rows.

    Args:
        db: From `open_archive_tables`.
        version: Whose predictions are counted.
    """
    found = Histograms()
    for batch in _batches(db, _STARTED, {}):
        found.add_rides(batch)
    for batch in _batches(db, _PREDICTED, {"version": version}):
        found.add(batch)
    return found


def _batches(db: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> Any:
    for batch in db.sql(query, params=values).to_arrow_reader(_BATCH_ROWS):
        yield {
            name: column.cast("float64").to_numpy(zero_copy_only=False)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }


def trip_histograms(
    paths: Sequence[Path], models: Mapping[str, onnx.ModelProto], progress: Progress
) -> Histograms:
    """Count months of trips, and what models predict for them; memory holds one month.

    Args:
        paths: Parquet files.
        models: By target; see `bundle_models`.
        progress: Shows a bar for each file.

    Raises:
        TripDataError: A file cannot be read.
    """
    found = Histograms()
    for path in paths:
        rides = inputs(read_trips([path], progress))
        found.add_rides(rides)
        found.add({name: run_graph(model, rides) for name, model in models.items()})
    return found


def bundle_models(bundle: Path) -> dict[str, onnx.ModelProto]:
    """Return a bundle's models by target.

    Raises:
        BundleError: One cannot be read.
    """
    return {target.name: read_model(bundle, target.name)[0] for target in TARGETS}


def bundle_histograms(bundle: Path) -> Histograms:
    """Return the histograms of what a bundle was trained on.

    Raises:
        BundleError: It has none.
    """
    path = bundle / STATISTICS
    try:
        statistics = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleError(f"the bundle {bundle} has no readable {STATISTICS}: {error}") from error
    return Histograms.from_json(statistics.get(HISTOGRAMS), path)
