"""The folder that a function loads: manifest, one MLflow model per target, statistics."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from training import tracking
from training.errors import BundleError
from training.tracking import LIBRARIES, Outcome, Registered

FORMAT = 1
MANIFEST = "manifest.json"

_STATISTICS = "statistics.json"
_GRAPH = "model.onnx"


@dataclass(frozen=True, slots=True)
class Months:
    """Which months went into a bundle.

    Attributes:
        trained_on: Those that the models learnt from.
        validated_on: Those that choices were made on.
        tested_on: Those that nothing was chosen on.
    """

    trained_on: tuple[str, ...]
    validated_on: tuple[str, ...]
    tested_on: tuple[str, ...]


def write_bundle(
    folder: Path,
    version: str,
    months: Months,
    outcomes: Sequence[tuple[Outcome, Registered]],
    statistics: Mapping[str, Any],
) -> None:
    """Write a bundle; the one in `folder` stays until the new one is whole.

    Args:
        folder: Other files in it are left alone.
        version: Of the bundle: the id of the training's MLflow run.
        months: Named in the manifest.
        outcomes: The models, and where they were registered.
        statistics: As `training.ride_statistics.count_statistics` returns them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        new = Path(made)
        for outcome, _ in outcomes:
            tracking.save(outcome, new / outcome.target.name)
        (new / _STATISTICS).write_text(json.dumps(statistics, separators=(",", ":")) + "\n")
        manifest = {
            "format": FORMAT,
            "version": version,
            **asdict(months),
            "libraries": LIBRARIES,
            "targets": {
                outcome.target.name: _describe(new, outcome, registered)
                for outcome, registered in outcomes
            },
            "statistics": {"file": _STATISTICS, "sha256": _sha256(new / _STATISTICS)},
        }
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        for name in (*manifest["targets"], _STATISTICS, MANIFEST):
            _replace(new / name, folder / name)


def trained_on(folder: Path) -> list[str]:
    """Return the months that a bundle's models learnt from.

    Raises:
        BundleError: The bundle has no manifest that can be read.
    """
    months: list[str] = _read_manifest(folder)["trained_on"]
    return months


def read_model(folder: Path, target: str) -> tuple[onnx.ModelProto, int]:
    """Return a bundle's ONNX model, and how many trips it was fitted to.

    Raises:
        BundleError: The bundle has no manifest that can be read, or no such model.
    """
    targets = _read_manifest(folder)["targets"]
    if target not in targets:
        raise BundleError(f"the bundle {folder} has no {target}; it has {', '.join(targets)}")
    return onnx.load(folder / targets[target]["file"]), int(targets[target]["trips"])


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise BundleError(f"the bundle {folder} has no manifest: {error}") from error
    return manifest


def _describe(bundle: Path, outcome: Outcome, registered: Registered) -> dict[str, Any]:
    target = outcome.target
    file = f"{target.name}/{_GRAPH}"
    return {
        "file": file,
        "sha256": _sha256(bundle / file),
        "unit": target.unit,
        "model": target.model,
        "version": registered.version,
        "run_id": registered.run_id,
        "parameters": asdict(target.parameters),
        "trips": outcome.trips,
        "metrics": dict(outcome.metrics),
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _replace(new: Path, old: Path) -> None:
    if old.is_dir():
        shutil.rmtree(old)
    new.replace(old)
