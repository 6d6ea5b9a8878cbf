"""The registry: MLflow's registered models, their versions, aliases and tags.

MLflow cannot move several aliases at once, nor an alias only if it is still where it was: see
`lifecycle.promotion` for what follows from that.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# MLflow would repeat a request for minutes if no server listens.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from lifecycle.errors import RegistryError
from streaming import DECODE_ERRORS
from training.bundle_io import GRAPH
from training.fit import TARGETS
from training.tracking import DATA_SHA256, RECORD, STATISTICS, TRAINED_ON, tracking_uri

CHAMPION, FORMER_CHAMPION = "champion", "former-champion"

AUDIT = "audit "
"""Begins the key of an audit tag; the time follows, so that no tag replaces an earlier one."""

LISTED = 20
"""How many versions of a model are listed: each takes a request."""

MODELS = {target.name: target.model for target in TARGETS}
"""Registered model by target."""

Versions = Mapping[str, str]
"""A version of the registered model of each target."""

_SQLITE = "sqlite:///"
# MLflow writes where the model lay when it was logged: a path of the machine that trained it.
_LOGGED_AT = re.compile(rb"^artifact_path:.*\n(?:[ ].*\n)*", re.MULTILINE)
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes:
        target: Its target.
        version: Its number.
        run_id: The MLflow run that logged it.
        aliases: Names that point to it, such as `champion`.
        trained_on: Its training months.
        data: SHA-256 of each month's file.
        metrics: Values by metric name.
        registered_at: When (UTC).
    """

    target: str
    version: str
    run_id: str
    aliases: tuple[str, ...]
    trained_on: tuple[str, ...]
    data: tuple[str, ...]
    metrics: Mapping[str, float]
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """What the registry holds of a version.

    Attributes:
        version: Its number.
        run_id: The MLflow run that logged it.
        files: The MLflow model's files by name; `model.onnx` is the graph.
        record: From `training.bundle_io.training_record`.
        statistics: The content of `statistics.json`.
    """

    version: str
    run_id: str
    files: Mapping[str, bytes]
    record: Mapping[str, Any]
    statistics: bytes

    @property
    def graph(self) -> bytes:
        """The ONNX graph."""
        return self.files[GRAPH]


class Registry:
    """The registry at a tracking URI.

    Args:
        uri: Such as `http://127.0.0.1:5000` or `sqlite:///mlflow.db`; default: as for training.

    Raises:
        RegistryError: It is an SQLite file that does not exist: MLflow would create it.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = uri or tracking_uri()
        if self.uri.startswith(_SQLITE) and not Path(self.uri.removeprefix(_SQLITE)).exists():
            raise RegistryError(
                f"there is no registry {self.uri}; `make train` creates it, and "
                "MLFLOW_TRACKING_URI names another"
            )
        with _registry_errors(self.uri):
            self._client = MlflowClient(self.uri)

    def versions(self, target: str) -> list[RegisteredVersion]:
        """Return the last `LISTED` versions of a target's model, the newest first."""
        with _registry_errors(self.uri):
            found = self._client.search_model_versions(
                f"name='{MODELS[target]}'", max_results=LISTED, order_by=["version_number DESC"]
            )
            aliases = self._aliases(target)
            return sorted(
                (
                    RegisteredVersion(
                        target,
                        str(version.version),
                        version.run_id,
                        tuple(sorted(a for a, v in aliases.items() if v == str(version.version))),
                        tuple(version.tags.get(TRAINED_ON, "").split()),
                        tuple(version.tags.get(DATA_SHA256, "").split()),
                        self._client.get_run(version.run_id).data.metrics,
                        datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
                    )
                    for version in found
                ),
                key=lambda version: -int(version.version),
            )

    def latest(self) -> Versions:
        """Return the latest version of each target's model.

        Raises:
            RegistryError: A model has no version.
        """
        latest = {}
        for target, model in MODELS.items():
            with _registry_errors(self.uri):
                found = self._client.search_model_versions(f"name='{model}'")
            if not found:
                raise RegistryError(f"{self.uri} has no version of {model}; `make train` first")
            latest[target] = str(max(int(version.version) for version in found))
        return latest

    def aliased(self, alias: str) -> dict[str, str]:
        """Return the versions that an alias points to; without the targets that lack it."""
        with _registry_errors(self.uri):
            found = {target: self._aliases(target).get(alias) for target in MODELS}
        return {target: version for target, version in found.items() if version is not None}

    def move_alias(self, alias: str, versions: Versions) -> None:
        """Point an alias to versions, one target after the other."""
        with _registry_errors(self.uri):
            for target, version in versions.items():
                self._client.set_registered_model_alias(MODELS[target], alias, version)

    def write_audit(
        self, target: str, version: str, at: datetime, entry: Mapping[str, Any]
    ) -> None:
        """Add an entry to a version's audit log: a tag."""
        key = f"{AUDIT}{at:%Y-%m-%dT%H:%M:%S.%fZ}"  # MLflow refuses the + of isoformat's +00:00
        with _registry_errors(self.uri):
            self._client.set_model_version_tag(
                MODELS[target], version, key, json.dumps(entry, separators=(",", ":"))
            )

    def audit_log(self, target: str, version: str) -> list[tuple[str, dict[str, Any]]]:
        """Return a version's audit log: times (ISO 8601, UTC) and entries, the oldest first."""
        with _registry_errors(self.uri):
            tags = self._client.get_model_version(MODELS[target], version).tags
        return sorted(
            (key.removeprefix(AUDIT), json.loads(value))
            for key, value in tags.items()
            if key.startswith(AUDIT)
        )

    def model(self, target: str, version: str) -> RegisteredModel:
        """Return what the registry holds of a version.

        Raises:
            RegistryError: There is no such version, or it lacks a file.
        """
        name = MODELS[target]
        with _registry_errors(self.uri), tempfile.TemporaryDirectory() as temporary:
            run_id = self._client.get_model_version(name, version).run_id
            uri = self._client.get_model_version_download_uri(name, version)
            logged = self._download(uri, Path(temporary) / "model")
            artifacts = {
                artifact: self._artifact(run_id, artifact, Path(temporary), f"{name} {version}")
                for artifact in (RECORD, STATISTICS)
            }
        if GRAPH not in logged:
            raise RegistryError(f"{name} version {version} has no {GRAPH}")
        logged["MLmodel"] = _LOGGED_AT.sub(b"", logged["MLmodel"])
        record = msgspec.json.decode(artifacts[RECORD], type=dict[str, Any])
        return RegisteredModel(version, run_id, logged, record, artifacts[STATISTICS])

    def _artifact(self, run_id: str, artifact: str, folder: Path, version: str) -> bytes:
        if artifact not in {found.path for found in self._client.list_artifacts(run_id)}:
            raise RegistryError(
                f"{version} has no {artifact}: it was registered by other means than `make train`"
            )
        return Path(self._client.download_artifacts(run_id, artifact, str(folder))).read_bytes()

    def _download(self, uri: str, folder: Path) -> dict[str, bytes]:
        folder.mkdir()
        path = Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=self.uri))
        return {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }

    def _aliases(self, target: str) -> dict[str, str]:
        try:
            aliases = self._client.get_registered_model(MODELS[target]).aliases
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            return {}
        return {alias: str(version) for alias, version in aliases.items()}


def bundle_version(versions: Versions) -> str:
    """Return the version of the bundle of registered versions, such as `duration-7-tip-5`."""
    return "-".join(f"{target}-{versions[target]}" for target in MODELS if target in versions)


def parse_versions(text: str) -> dict[str, str]:
    """Parse a bundle's version, or a part of it, such as `duration-7`.

    Raises:
        RegistryError: It is neither.
    """
    found = dict(re.findall(r"([a-z]+)-([1-9][0-9]*)", text))
    if not found or not found.keys() <= MODELS.keys() or bundle_version(found) != text:
        allowed = "-".join(f"{target}-7" for target in MODELS)
        raise RegistryError(f"VERSION is {text!r}; allowed: such as {allowed}, or a part of it")
    return found


@contextmanager
def _registry_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except (
        *(MlflowException, SQLAlchemyError, OSError),
        *(BotoCoreError, ClientError),  # artifacts on S3
        *DECODE_ERRORS,
    ) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RegistryError(f"the registry {uri}: {reason}") from error
