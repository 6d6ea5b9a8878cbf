"""Small ONNX models, and bundles of them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from onnx import TensorProto, helper

from model import FEATURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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


def write_bundle(folder: Path, graphs: Mapping[str, bytes], version: str = "run-1") -> Path:
    """Write a bundle with a model for each target; return its folder."""
    targets = {}
    for target, content in graphs.items():
        path = folder / target / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        targets[target] = {
            "file": f"{target}/model.onnx",
            "sha256": hashlib.sha256(content).hexdigest(),
            "unit": "minutes",
            "model": f"ride-{target}",
            "version": "1",
        }
    manifest = {"format": 1, "version": version, "targets": targets}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
