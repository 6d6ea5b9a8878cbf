"""Check an exported graph against the model it was exported from."""

import numpy as np
import onnx
import onnxruntime

from training.errors import ParityError
from training.fit import FittedModel
from training.trips import Array, Rides

PARITY_RIDES = 50_000
"""Number of rides that an export is checked on."""

_TOLERANCE = 0.01  # in the target's unit
_ALLOWED_SHARE = 0.01  # of the rides, beyond the tolerance


def run_graph(graph: onnx.ModelProto, rides: Rides) -> Array:
    """Predict rides with onnxruntime; float32 [N]."""
    return run_outputs(graph, rides)[0]


def run_outputs(graph: onnx.ModelProto, rides: Rides) -> list[Array]:
    """Return every output of a graph: the prediction and, if there is a range, its low and high."""
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    outputs: list[Array] = session.run(None, dict(rides))
    return outputs


def check_parity(graph: onnx.ModelProto, model: FittedModel, rides: Rides) -> float:
    """Check that a graph predicts what its model predicts, its range included.

    float32 rounding may put a ride on the other side of a tree's split, so a few may differ.

    Args:
        graph: The exported model.
        model: The model it was exported from.
        rides: Rides from real trips.

    Returns:
        The largest difference, in the target's unit.

    Raises:
        ParityError: More than 1 % of the rides differ by more than 0.01, one differs by more than
            the target's tolerance, or a prediction is not finite.
    """
    target = model.target
    difference = np.abs(np.array(run_outputs(graph, rides)) - model.outputs(rides)).max(axis=0)
    share, largest = float(np.mean(difference > _TOLERANCE)), float(difference.max())
    # "not <=" rather than ">", so that NaN fails, too
    if share > _ALLOWED_SHARE or not largest <= target.tolerance:
        raise ParityError(
            f"the {target.name} graph differs from its model: of {len(difference):,} rides "
            f"{share:.2%} differ by more than {_TOLERANCE} {target.unit} "
            f"(allowed: {_ALLOWED_SHARE:.0%}), the worst by {largest:.2f} "
            f"(allowed: {target.tolerance})"
        )
    return largest
