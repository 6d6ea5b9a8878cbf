"""MLflow: one run for a training, one run below it for each target, registered models."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

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
"""The versions that make a model."""

_SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.float, name) for name in INPUTS]),
    outputs=Schema([ColSpec(DataType.float, "prediction")]),
)
# Made up: no trip record leaves the training.
_EXAMPLE = pd.DataFrame(
    [
        (130, 205, 3.66, 8.25, 5, 1, 1),
        (74, 132, 17.5, 15.5, 2, 2, 2),
        (7, 226, 0, 23.75, 6, 5, 1),
    ],
    columns=list(INPUTS),
    dtype=np.float32,
)
# What mlflow.pyfunc needs to run the model; named, because MLflow's own search for it is slow.
_REQUIREMENTS = [f"{name}=={LIBRARIES[name]}" for name in ("mlflow", "onnx", "onnxruntime")]


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a model can be found.

    Attributes:
        run_id: The MLflow run that logged it.
        version: Of the registered model.
    """

    run_id: str
    version: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training made for one target.

    Attributes:
        target: What is predicted, and how it was fitted.
        trips: How many trips it was fitted to.
        graph: The exported model.
        metrics: By name.
        figures: By file name.
    """

    target: Target
    trips: int
    graph: onnx.ModelProto
    metrics: Mapping[str, float]
    figures: Mapping[str, Figure]


@contextmanager
def tracked(parameters: Mapping[str, object]) -> Iterator[str]:
    """Open the run of a training; outcomes that are logged inside become its children.

    It goes where `MLFLOW_TRACKING_URI` says, or else to `sqlite:///mlflow.db`.

    Args:
        parameters: What to log of the training as a whole.

    Yields:
        The run's id.
    """
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run() as run:
        mlflow.log_params(dict(parameters))
        mlflow.log_params({f"version of {name}": version for name, version in LIBRARIES.items()})
        yield run.info.run_id


def log(outcome: Outcome) -> Registered:
    """Log an outcome as a child of the open run, and register its model."""
    target = outcome.target
    with mlflow.start_run(run_name=target.model, nested=True) as run:
        mlflow.log_params({**asdict(target.parameters), "trips": outcome.trips})
        mlflow.log_metrics(dict(outcome.metrics))
        for name, figure in outcome.figures.items():
            mlflow.log_figure(figure, name)
        logged = mlflow.onnx.log_model(
            outcome.graph,
            name=target.model,
            registered_model_name=target.model,
            signature=_SIGNATURE,
            input_example=_EXAMPLE,
            pip_requirements=_REQUIREMENTS,
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
    return Registered(run.info.run_id, str(logged.registered_model_version))


def save(outcome: Outcome, folder: Path) -> None:
    """Write an outcome's model to `folder`, which must not exist, for mlflow.pyfunc to load."""
    mlflow.onnx.save_model(
        outcome.graph,
        folder,
        signature=_SIGNATURE,
        input_example=_EXAMPLE,
        pip_requirements=_REQUIREMENTS,
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
