"""Model bundles."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
