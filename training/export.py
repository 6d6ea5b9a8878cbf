"""Hold an exported graph to the model that it was made from."""

import numpy as np
import onnx
import onnxruntime

from training.errors import ParityError
from training.fit import FittedModel
from training.trips import Array, Rides

PARITY_RIDES = 50_000
"""How many rides an export is checked on."""

_OFF = 0.01  # in the target's unit
_SHARE_OFF = 0.01


def run_graph(graph: onnx.ModelProto, rides: Rides) -> Array:
    """Predict some rides with onnxruntime; float32 [N]."""
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    prediction: Array = session.run(None, dict(rides))[0]
    return prediction


def check_parity(graph: onnx.ModelProto, model: FittedModel, rides: Rides) -> float:
    """Check that a graph predicts what its model predicts.

    float32 sums may put a ride on the other side of a tree's split, so a few may differ.

    Args:
        graph: The exported model.
        model: What it was made from.
        rides: Real ones.

    Returns:
        The largest difference, in the target's unit.

    Raises:
        ParityError: More than 1 % of the rides are off by more than 0.01, or one is off by more
            than the target's tolerance, or a prediction is not finite.
    """
    target = model.target
    off = np.abs(run_graph(graph, rides) - model.predict(rides))
    share, largest = float(np.mean(off > _OFF)), float(off.max())
    # "not <=" and not ">": a prediction that is NaN is off, too
    if share > _SHARE_OFF or not largest <= target.tolerance:
        raise ParityError(
            f"the {target.name} graph is not its model: of {len(off):,} rides {share:.2%} are off "
            f"by more than {_OFF} {target.unit} (allowed: {_SHARE_OFF:.0%}), the worst by "
            f"{largest:.2f} (allowed: {target.tolerance})"
        )
    return largest
