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
from training.tracking import (
    LIBRARIES,
    STATISTICS,
    ModelVersion,
    Outcome,
    json_bytes,
    save_model,
)

GRAPH = "model.onnx"
"""A target's model in its folder."""


@dataclass(frozen=True, slots=True)
class Months:
    """The months of a bundle's training.

    Attributes:
        trained_on: Months that the models were fitted to.
        validated_on: Months that parameters were chosen on.
        tested_on: Months that no choice was based on.
        until: The models have seen no ride that was picked up later (ISO 8601, New York local
            time); empty: they may have seen all of these months.
    """

    trained_on: tuple[str, ...]
    validated_on: tuple[str, ...]
    tested_on: tuple[str, ...]
    until: str = ""


class _Target(msgspec.Struct):
    file: str
    trips: int
    metrics: dict[str, float]
    version: str = ""


class _Manifest(msgspec.Struct):
    """The fields of `manifest.json` that evaluating needs."""

    trained_on: list[str]
    targets: dict[str, _Target]
    version: str = ""


def training_record(outcome: Outcome, months: Months, data: Mapping[str, str]) -> dict[str, Any]:
    """Return what a target's model was made from and how good it is, for a manifest.

    Args:
        outcome: The model.
        months: The months of its training.
        data: SHA-256 of each month's file that it was fitted to, by month.
    """
    target = outcome.target
    return {
        "unit": target.unit,
        "model": target.model,
        "parameters": target.logged_parameters(),
        "trips": outcome.trips,
        "metrics": dict(outcome.metrics),
        **asdict(months),
        "data": dict(data),
        "libraries": LIBRARIES,
    }


def manifest_bytes(
    version: str, targets: Mapping[str, Mapping[str, Any]], statistics: bytes
) -> bytes:
    """Return the content of `manifest.json`.

    Args:
        version: The bundle's version.
        targets: For each target, its `training_record` and the fields of `model_location`.
        statistics: The content of `statistics.json`.
    """
    trained, validated, tested = (
        {month for target in targets.values() for month in target[key]}
        for key in ("trained_on", "validated_on", "tested_on")
    )
    manifest = {
        "format": FORMAT,
        "version": version,
        # Of targets that were trained apart, what one was tested on another may have learnt from.
        "trained_on": sorted(trained),
        "validated_on": sorted(validated - trained),
        "tested_on": sorted(tested - trained - validated),
        "targets": targets,
        "statistics": {"file": STATISTICS, "sha256": hashlib.sha256(statistics).hexdigest()},
    }
    return (json.dumps(manifest, indent=2) + "\n").encode()


def model_location(target: str, graph: bytes, registered: ModelVersion) -> dict[str, str]:
    """Return the fields of a target in a manifest that say where its model is and comes from."""
    return {
        "file": f"{target}/{GRAPH}",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "version": registered.version,
        "run_id": registered.run_id,
    }


def write_bundle(
    folder: Path,
    version: str,
    outcomes: Sequence[tuple[Outcome, Mapping[str, Any], ModelVersion]],
    statistics: Mapping[str, Any],
) -> None:
    """Write a bundle; an existing one is replaced only when the new one is complete.

    Args:
        folder: The bundle's folder; unrelated files in it are kept.
        version: The bundle's version: the ID of the training's MLflow run.
        outcomes: The models, their records, and their versions in the registry.
        statistics: From `training.ride_statistics.count_statistics`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        new = Path(temporary)
        targets = {}
        for outcome, record, registered in outcomes:
            name = outcome.target.name
            save_model(outcome.graph, new / name)
            graph = (new / name / GRAPH).read_bytes()
            targets[name] = {**model_location(name, graph, registered), **record}
        counted = json_bytes(statistics)
        (new / STATISTICS).write_bytes(counted)
        (new / MANIFEST).write_bytes(manifest_bytes(version, targets, counted))
        for name in (*targets, STATISTICS, MANIFEST):
            _replace(new / name, folder / name)


def trained_on(folder: Path) -> list[str]:
    """Return the months that a bundle's models were trained on.

    Raises:
        BundleError: The bundle has no readable manifest.
    """
    return _read_manifest(folder).trained_on


def read_version(folder: Path) -> str:
    """Return a bundle's version.

    Raises:
        BundleError: The bundle has no readable manifest.
    """
    return _read_manifest(folder).version


def registered_versions(folder: Path) -> dict[str, str]:
    """Return the versions in the registry of a bundle's models, by target.

    Raises:
        BundleError: The bundle has no readable manifest.
    """
    return {name: target.version for name, target in _read_manifest(folder).targets.items()}


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


def _replace(new: Path, old: Path) -> None:
    if old.is_dir():
        shutil.rmtree(old)
    new.replace(old)
