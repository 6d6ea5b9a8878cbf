"""Track a training in MLflow: a parent run, a child run per target, registered models."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import skl2onnx
import sklearn
from matplotlib.figure import Figure
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, DataType, Schema

from training.fit import Target
from training.trips import INPUTS

EXPERIMENT = "ride-predictions"

LIBRARIES = {
    "mlflow": mlflow.__version__,
    "onnx": onnx.__version__,
    "onnxruntime": onnxruntime.__version__,
    "scikit-learn": sklearn.__version__,
    "skl2onnx": skl2onnx.__version__,
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
    figures: Mapping[str, Figure]


@contextmanager
def start_run(parameters: Mapping[str, object]) -> Iterator[str]:
    """Start a training's run; outcomes that are logged within it become child runs.

    The tracking server is `MLFLOW_TRACKING_URI`, by default `sqlite:///mlflow.db`.

    Args:
        parameters: Logged on the run.

    Yields:
        The run's ID.
    """
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run() as run:
        mlflow.log_params(dict(parameters))
        mlflow.log_params({f"version of {name}": version for name, version in LIBRARIES.items()})
        yield run.info.run_id


def log_outcome(outcome: Outcome) -> ModelVersion:
    """Log an outcome as a child of the active run and register its model."""
    target = outcome.target
    with mlflow.start_run(run_name=target.model, nested=True) as run:
        mlflow.log_params({**target.logged_parameters(), "trips": outcome.trips})
        mlflow.log_metrics(dict(outcome.metrics))
        for name, figure in outcome.figures.items():
            mlflow.log_figure(figure, name)
        logged = mlflow.onnx.log_model(
            outcome.graph,
            name=target.model,
            registered_model_name=target.model,
            signature=_signature(outcome.graph),
            **_MODEL_OPTIONS,
        )
    return ModelVersion(run.info.run_id, str(logged.registered_model_version))


def save_model(graph: onnx.ModelProto, folder: Path) -> None:
    """Save a model as an MLflow model in `folder`, which must not exist yet."""
    mlflow.onnx.save_model(graph, folder, signature=_signature(graph), **_MODEL_OPTIONS)


def _signature(graph: onnx.ModelProto) -> ModelSignature:
    outputs = [output.name for output in graph.graph.output]
    return ModelSignature(
        *(Schema([ColSpec(DataType.float, name) for name in names]) for names in (INPUTS, outputs))
    )
