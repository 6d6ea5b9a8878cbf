"""Track a training in MLflow: a parent run, a child run per target, registered models."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, DataType, Schema

from training.fit import Target
from training.trips import INPUTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "ride-predictions"

RECORD = "training_record.json"
"""The artifact of a target's run that says what its model was made from and how good it is."""

STATISTICS = "statistics.json"
"""The artifact of a target's run from which demo rides are drawn."""

TRAINED_ON, DATA_SHA256 = "trained_on", "data_sha256"
"""Tags of a registered version: the months, separated by spaces, and the SHA-256 of each month's
file in the same order."""

LIBRARIES = {
    name: version(name) for name in ("mlflow", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")
}
"""Versions of the libraries that determine a model."""

# Made up, because a bundle must not contain trip records.
_EXAMPLE = pd.DataFrame(
    [
        (130, 205, 3.66, 8.25, 5, 1, 1),
        (74, 132, 17.5, 15.5, 2, 2, 2),
        (7, 226, 0, 23.75, 6, 5, 1),
    ],
    columns=list(INPUTS),
    dtype=np.float32,
)
# What mlflow.pyfunc needs to run the model; listed because MLflow's own inference is slow.
_REQUIREMENTS = [f"{name}=={LIBRARIES[name]}" for name in ("mlflow", "onnx", "onnxruntime")]
_MODEL_OPTIONS: dict[str, Any] = {
    "input_example": _EXAMPLE,
    "pip_requirements": _REQUIREMENTS,
    "onnx_execution_providers": ["CPUExecutionProvider"],
    "save_as_external_data": False,
}


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a registered model.

    Attributes:
        run_id: The MLflow run that logged it.
        version: Its version number in the registry.
    """

    run_id: str
    version: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of training one target's model.

    Attributes:
        target: The target and its parameters.
        trips: Number of trips that the model was fitted to.
        graph: The exported model.
        metrics: Values by metric name.
        figures: Figures by file name.
    """

    target: Target
    trips: int
    graph: onnx.ModelProto
    metrics: Mapping[str, float]
    figures: Mapping[str, "Figure"]


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, by default `sqlite:///mlflow.db`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"


@contextmanager
def start_run(parameters: Mapping[str, object]) -> Iterator[str]:
    """Start a training's run; outcomes that are logged within it become child runs.

    The tracking server is that of `tracking_uri`.

    Args:
        parameters: Logged on the run.

    Yields:
        The run's ID.
    """
    mlflow.set_tracking_uri(tracking_uri())
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run() as run:
        mlflow.log_params(dict(parameters))
        mlflow.log_params({f"version of {name}": version for name, version in LIBRARIES.items()})
        yield run.info.run_id


def log_outcome(
    outcome: Outcome, record: Mapping[str, Any], statistics: Mapping[str, Any]
) -> ModelVersion:
    """Log an outcome as a child of the active run and register its model.

    The version is registered last, so that every registered version has all that a bundle holds.

    Args:
        outcome: The model and its metrics.
        record: From `training.bundle_io.training_record`; kept as the artifact `RECORD`.
        statistics: From `training.ride_statistics.count_statistics`; the artifact `STATISTICS`.
    """
    target = outcome.target
    with mlflow.start_run(run_name=target.model, nested=True) as run:
        mlflow.log_params({**record["parameters"], "trips": outcome.trips})
        mlflow.log_metrics(dict(outcome.metrics))
        for name, figure in outcome.figures.items():
            mlflow.log_figure(figure, name)
        with tempfile.TemporaryDirectory() as folder:  # log_dict would write other bytes
            for name, content in ((RECORD, record), (STATISTICS, statistics)):
                path = Path(folder) / name
                path.write_bytes(json_bytes(content))
                mlflow.log_artifact(str(path))
        logged = mlflow.onnx.log_model(
            outcome.graph,
            name=target.model,
            signature=_signature(outcome.graph),
            **_MODEL_OPTIONS,
        )
        tags = {
            TRAINED_ON: " ".join(record["trained_on"]),
            DATA_SHA256: " ".join(record["data"].values()),
        }
        registered = mlflow.register_model(logged.model_uri, target.model, tags=tags)
    return ModelVersion(run.info.run_id, str(registered.version))


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return JSON on one line."""
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def save_model(graph: onnx.ModelProto, folder: Path) -> None:
    """Save a model as an MLflow model in `folder`, which must not exist yet."""
    mlflow.onnx.save_model(graph, folder, signature=_signature(graph), **_MODEL_OPTIONS)


def _signature(graph: onnx.ModelProto) -> ModelSignature:
    outputs = [output.name for output in graph.graph.output]
    return ModelSignature(
        *(Schema([ColSpec(DataType.float, name) for name in names]) for names in (INPUTS, outputs))
    )
