"""Small ONNX models with the inputs of the ride models, and ride models of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import ModelProto, TensorProto, helper

from model import RideModel
from model_graph import FEATURES, load_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto


def graph(
    field: str = "trip_distance",
    times: float = 1.0,
    *,
    inputs: Sequence[str] = FEATURES,
    rank: int = 1,
    node: NodeProto | None = None,
) -> bytes:
    """Build an ONNX model whose prediction is one feature times a number, or the output of `node`.

    `node` can also read the constant `far`, an index out of range.
    """
    shape = ["rides"] * rank
    return bytes(
        helper.make_model(
            helper.make_graph(
                [
                    helper.make_node("Constant", [], ["times"], value_float=float(times)),
                    helper.make_node("Constant", [], ["far"], value_ints=[1_000_000]),
                    node or helper.make_node("Mul", [field, "times"], ["prediction"]),
                ],
                "ride",
                [helper.make_tensor_value_info(i, TensorProto.FLOAT, shape) for i in inputs],
                [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, shape)],
            ),
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=10,
        ).SerializeToString()
    )


def graph_with_range(
    low: float, high: float, names: Sequence[str] = ("prediction", "low", "high")
) -> bytes:
    """Build an ONNX model that predicts the distance, and a range of these times the distance."""
    one = helper.make_node("Identity", ["trip_distance"], [names[0]])
    model = ModelProto.FromString(graph(node=one))
    del model.graph.output[:]
    for name, times in zip(names, (1, low, high), strict=True):
        vector = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rides"])
        model.graph.output.append(vector)
        if name != names[0]:
            factor = helper.make_node("Constant", [], [f"times {name}"], value_float=float(times))
            product = helper.make_node("Mul", ["trip_distance", f"times {name}"], [name])
            model.graph.node.extend([factor, product])
    return bytes(model.SerializeToString())


def endless_graph() -> bytes:
    """Build an ONNX model that never ends."""
    rides, condition = ["rides"], "condition"
    body = helper.make_graph(
        [
            helper.make_node("Identity", [condition], ["again"]),
            helper.make_node("Add", ["before", "before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("iteration", TensorProto.INT64, []),
            helper.make_tensor_value_info(condition, TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, rides),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, rides),
        ],
    )
    return graph(node=helper.make_node("Loop", ["", "", "hour"], ["prediction"], body=body))


def built(**graphs: bytes) -> RideModel:
    """Build the ride model of these graphs, by target."""
    return RideModel({target: load_graph(target, graph) for target, graph in graphs.items()}, "1")
