from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import mlflow
import pytest

from lifecycle.publication import Publication
from lifecycle.registry import Registry
from tests.lifecycle.ride_archive import RideArchive
from tests.training.city import QUIET, SMALL, write_month
from training.bundle_io import Months, training_record
from training.fit import DURATION, TIP, Parameters, Target, fit
from training.graph import to_onnx
from training.ride_statistics import count_statistics
from training.tracking import Outcome, log_outcome, start_run
from training.trips import file_hashes, read_trips
from training.zones import load_zones

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

WEAK = replace(SMALL, trees=1, leaves=2, learning_rate=0.01)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MLflow warns about deprecated calls in itself and its libraries."""
    for item in items:
        if "tests/lifecycle" in str(item.path):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write three months of a made-up city; every registered version knows the first."""
    folder = tmp_path_factory.mktemp("months")
    return {month: write_month(folder, month) for month in ("2023-01", "2023-02", "2023-03")}


@pytest.fixture(scope="session")
def registered(months: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Register versions 1 (weak), 2 (strong, trained on two months) and 3 (weak, like 1)."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        try:
            _register([months["2023-01"]], WEAK)
            _register([months["2023-01"], months["2023-02"]], SMALL)
            _register_again("1")
        finally:
            mlflow.set_tracking_uri(None)
    return folder / "mlflow.db"


def _register(paths: list[Path], parameters: Parameters) -> None:
    trips = read_trips(paths, QUIET)
    statistics = count_statistics(trips, load_zones())
    months = Months(tuple(file_hashes(paths)), (), ())
    with start_run({}):
        for target in (DURATION, TIP):
            outcome = _outcome(replace(target, parameters=parameters), trips)
            record = training_record(outcome, months, file_hashes(paths))
            log_outcome(outcome, record, statistics)


def _register_again(version: str) -> None:
    client = mlflow.MlflowClient()
    for target in (DURATION, TIP):
        first = client.get_model_version(target.model, version)
        client.create_model_version(target.model, first.source, first.run_id, first.tags)


def _outcome(target: Target, trips: pd.DataFrame) -> Outcome:
    model = fit(target, trips, QUIET)
    return Outcome(target, model.trips, to_onnx(model), {"validation_rmse": 3.25}, {})


def copy_registry(database: Path, to: Path) -> Registry:
    """Copy a database, also what SQLite has not yet moved from its log into the file."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return Registry(f"sqlite:///{to}")


@pytest.fixture
def registry(registered: Path, tmp_path: Path) -> Registry:
    """Return a registry of the test's own, whose artifacts are shared."""
    return copy_registry(registered, tmp_path / "mlflow.db")


@pytest.fixture
def publication(tmp_path: Path) -> Publication:
    return Publication((tmp_path / "live").as_uri(), pytest.fail)


@pytest.fixture
def archive(tmp_path: Path) -> RideArchive:
    """Return an archive whose folder has a name that would be a pattern."""
    return RideArchive(tmp_path / "archive [1]*")
