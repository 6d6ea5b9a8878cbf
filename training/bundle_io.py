"""Write and read bundles: a folder with a manifest, an MLflow model per target, statistics."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has no types

from streaming import DECODE_ERRORS
from streaming.consumer.model_bundle import FORMAT, MANIFEST
from training.errors import BundleError
from training.tracking import LIBRARIES, ModelVersion, Outcome, save_model

_STATISTICS = "statistics.json"
_GRAPH = "model.onnx"


@dataclass(frozen=True, slots=True)
class Months:
    """The months of a bundle's training.

    Attributes:
        trained_on: Months that the models were fitted to.
        validated_on: Months that parameters were chosen on.
        tested_on: Months that no choice was based on.
    """

    trained_on: tuple[str, ...]
    validated_on: tuple[str, ...]
    tested_on: tuple[str, ...]


class _Target(msgspec.Struct):
    file: str
    trips: int
    metrics: dict[str, float]


class _Manifest(msgspec.Struct):
    """The fields of `manifest.json` that evaluating needs."""

    trained_on: list[str]
    targets: dict[str, _Target]


def write_bundle(
    folder: Path,
    version: str,
    months: Months,
    outcomes: Sequence[tuple[Outcome, ModelVersion]],
    statistics: Mapping[str, Any],
) -> None:
    """Write a bundle; an existing one is replaced only when the new one is complete.

    Args:
        folder: The bundle's folder; unrelated files in it are kept.
        version: The bundle's version: the ID of the training's MLflow run.
        months: Recorded in the manifest.
        outcomes: The models and their versions in the registry.
        statistics: From `training.ride_statistics.count_statistics`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        new = Path(temporary)
        for outcome, _ in outcomes:
            save_model(outcome.graph, new / outcome.target.name)
        (new / _STATISTICS).write_text(json.dumps(statistics, separators=(",", ":")) + "\n")
        manifest = {
            "format": FORMAT,
            "version": version,
            **asdict(months),
            "libraries": LIBRARIES,
            "targets": {
                outcome.target.name: _manifest_entry(new, outcome, model_version)
                for outcome, model_version in outcomes
            },
            "statistics": {"file": _STATISTICS, "sha256": _sha256(new / _STATISTICS)},
        }
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        for name in (*manifest["targets"], _STATISTICS, MANIFEST):
            _replace(new / name, folder / name)


def trained_on(folder: Path) -> list[str]:
    """Return the months that a bundle's models were trained on.

    Raises:
        BundleError: The bundle has no readable manifest.
    """
    return _read_manifest(folder).trained_on


def read_metrics(folder: Path) -> dict[str, dict[str, float]]:
    """Return the metrics of a bundle's models by target.

    Raises:
        BundleError: The bundle has no readable manifest.
    """
    return {name: target.metrics for name, target in _read_manifest(folder).targets.items()}


def read_model(folder: Path, target: str) -> tuple[onnx.ModelProto, int]:
    """Return the ONNX model of a target and the number of trips that it was fitted to.

    Raises:
        BundleError: The bundle has no readable manifest, or no readable model of this target.
    """
    targets = _read_manifest(folder).targets
    if target not in targets:
        raise BundleError(f"the bundle {folder} has no {target}; it has {', '.join(targets)}")
    file = targets[target].file
    try:
        return onnx.load(folder / file), targets[target].trips
    except (OSError, DecodeError) as error:
        raise BundleError(f"the bundle {folder} has no readable {file}: {error}") from error


def _read_manifest(folder: Path) -> _Manifest:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, *DECODE_ERRORS) as error:
        raise BundleError(f"the bundle {folder} has no readable manifest: {error}") from error


def _manifest_entry(bundle: Path, outcome: Outcome, model_version: ModelVersion) -> dict[str, Any]:
    target = outcome.target
    file = f"{target.name}/{_GRAPH}"
    return {
        "file": file,
        "sha256": _sha256(bundle / file),
        "unit": target.unit,
        "model": target.model,
        "version": model_version.version,
        "run_id": model_version.run_id,
        "parameters": target.logged_parameters(),
        "trips": outcome.trips,
        "metrics": dict(outcome.metrics),
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _replace(new: Path, old: Path) -> None:
    if old.is_dir():
        shutil.rmtree(old)
    new.replace(old)
