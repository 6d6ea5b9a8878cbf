"""Load the ONNX graph of a ride model."""

import re
from collections.abc import Callable, Mapping, Sequence
from threading import Timer

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streaming import ModelBundleError

FEATURES = (
    "PULocationID",
    "DOLocationID",
    "trip_distance",
    "hour",
    "weekday",
    "passenger_count",
    "payment_type",
)
"""The inputs of the ONNX models. `hour` (0 ≤ hour < 24, fractional) and `weekday` (0 = Monday) are
local time in New York; an unknown passenger count or payment type is NaN."""

TRIAL_SECONDS = 5.0
TRIAL_RIDES = 2
"""Rides in the trial prediction; more than one, to reject a model with one output for all rides."""

OUT_OF_MEMORY = re.compile("Failed to allocate memory|bad_alloc|bad allocation")
"""In the message of ONNX Runtime's exception, which has no type of its own."""

Vector = NDArray[np.float32]
Run = Callable[[Mapping[str, Vector]], Sequence[Vector]]
"""Predicts from a vector per feature: one vector, or those of `WITH_RANGE`."""

WITH_RANGE = ["prediction", "low", "high"]
"""The outputs of a graph with a range, in this order."""


def load_graph(name: str, graph: bytes, trial_seconds: float = TRIAL_SECONDS) -> Run:
    """Load an ONNX model and make a trial prediction.

    Args:
        name: The model and its location, for the error.
        graph: The ONNX file's content.
        trial_seconds: How long the trial prediction may take: a graph can hold an endless loop.

    Returns:
        A function from a float32 vector per feature to the graph's output vectors.

    Raises:
        ModelBundleError: The model cannot be loaded, its inputs are not `FEATURES`, its outputs
            are neither one vector nor those of `WITH_RANGE`, or the trial prediction fails.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they are raised as well
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base
        raise ModelBundleError(f"the {name} cannot be loaded: {error}") from error
    inputs = [(node.name, node.type, len(node.shape)) for node in session.get_inputs()]
    outputs = [(node.name, node.type, len(node.shape)) for node in session.get_outputs()]
    vector = ("tensor(float)", 1)
    names = [output[0] for output in outputs]
    are_vectors = all(output[1:] == vector for output in outputs)
    if (
        sorted(inputs) != sorted((feature, *vector) for feature in FEATURES)
        or not are_vectors
        or (len(outputs) != 1 and names != WITH_RANGE)
    ):
        raise ModelBundleError(
            f"the {name} has inputs {inputs} and outputs {outputs}; expected the float vectors "
            f"{', '.join(FEATURES)} and one float vector, or three: {', '.join(WITH_RANGE)}"
        )

    def run(features: Mapping[str, Vector]) -> Sequence[Vector]:
        try:
            predictions: Sequence[Vector] = session.run(None, features)
        except Exception as error:
            if OUT_OF_MEMORY.search(str(error)):
                raise MemoryError(f"the {name} cannot allocate memory") from error
            raise
        return predictions

    trial = {feature: np.ones(TRIAL_RIDES, np.float32) for feature in FEATURES}
    limit = onnxruntime.RunOptions()
    timer = Timer(trial_seconds, setattr, (limit, "terminate", True))
    timer.start()
    try:
        shapes = {output.shape for output in session.run(None, trial, limit)}
    except Exception as error:
        if limit.terminate:
            raise ModelBundleError(
                f"the {name} takes longer than {trial_seconds} s for {TRIAL_RIDES} rides"
            ) from error
        raise ModelBundleError(f"the {name} fails in a trial prediction: {error}") from error
    finally:
        timer.cancel()
    if wrong := shapes - {(TRIAL_RIDES,)}:
        raise ModelBundleError(
            f"the {name} returns shape {wrong.pop()} for {TRIAL_RIDES} rides; "
            f"expected ({TRIAL_RIDES},)"
        )
    return run
