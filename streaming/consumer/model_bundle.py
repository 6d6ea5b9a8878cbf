"""A model bundle: a manifest and the files it names, in a folder or on S3.

Files are verified against the manifest's hashes before they are used. Nothing is unpickled.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec

from streaming.errors import DECODE_ERRORS, ModelBundleError, StorageError, StorageUnavailable
from streaming.retries import Retries
from streaming.storage import FolderStorage, Storage, open_storage

MANIFEST = "manifest.json"
FORMAT = 1

RETRY_SECONDS = 5.0
"""How long a read that fails for a reason that may pass is repeated: half of the time that Lambda
gives a function to start."""

VERSION_CHARACTERS = 128
"""It is part of every prediction record, whose size is limited."""


class Target(msgspec.Struct, frozen=True):
    """A target in the manifest.

    Attributes:
        file: The model's path in the bundle.
        sha256: Its hash, in hexadecimal.
        unit: The unit of the predictions.
        model: The registered model's name.
        version: The registered model's version.
    """

    file: str
    sha256: str
    unit: str
    model: str
    version: str


class Manifest(msgspec.Struct, frozen=True):
    """The fields of `manifest.json` that serving needs.

    Attributes:
        format: The layout of the bundle.
        version: The bundle's own version.
        targets: What is predicted, by name.
    """

    format: int
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=VERSION_CHARACTERS)]
    targets: dict[str, Target]


class _Header(msgspec.Struct):
    """The only field that every format is known to have."""

    format: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and verified.

    Attributes:
        manifest: Its manifest.
        models: The requested models' bytes by target.
    """

    manifest: Manifest
    models: dict[str, bytes]


def read_bundle(
    location: str,
    targets: Iterable[str],
    s3_client: Callable[[], Any],
    retries: Retries = Retries(),  # noqa: B008  it is immutable
    *,
    manifest_sha256: str | None = None,
) -> Bundle:
    """Read a bundle and verify its hashes.

    Args:
        location: A folder or `s3://bucket/prefix`.
        targets: The targets whose models are requested.
        s3_client: Creates an S3 client; called only for `s3://`.
        retries: Repeats a read while S3 is unavailable, up to `RETRY_SECONDS` after the start.
        manifest_sha256: The hash that the manifest must have, in hexadecimal; None: any.

    Raises:
        ModelBundleError: A file is missing or does not match the manifest, the manifest cannot be
            read, or it lacks a target.
        SettingsError: The location is any other URL.
    """
    storage = open_bundle(location, s3_client)
    deadline = retries.clock() + RETRY_SECONDS

    def read(name: str) -> bytes:
        try:
            return retries.call(lambda: storage.read(name), StorageUnavailable, deadline)
        except StorageError as error:
            raise ModelBundleError(str(error)) from error

    content = read(MANIFEST)
    if manifest_sha256 is not None:
        _check_hash(location, MANIFEST, content, manifest_sha256, "expected")
    manifest = _manifest(location, content)
    models = {}
    for name in targets:
        target = manifest.targets.get(name)
        if target is None:
            present = ", ".join(sorted(manifest.targets)) or "none"
            raise ModelBundleError(f"{location}: {MANIFEST} has no target {name}; it has {present}")
        path = PurePosixPath(target.file)
        if path.is_absolute() or ".." in path.parts:
            raise ModelBundleError(f"{location}: {target.file} is outside the bundle")
        models[name] = read(target.file)
        _check_hash(location, target.file, models[name], target.sha256, "the manifest says")
    return Bundle(manifest, models)


def _check_hash(location: str, file: str, content: bytes, sha256: str, expected: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ModelBundleError(f"{location}: {file} has SHA-256 {digest}; {expected} {sha256}")


def _manifest(location: str, content: bytes) -> Manifest:
    try:
        found = msgspec.json.decode(content, type=_Header).format
        if found != FORMAT:
            raise ModelBundleError(
                f"{location}: {MANIFEST} has format {found}; this program reads {FORMAT}"
            )
        return msgspec.json.decode(content, type=Manifest)
    except DECODE_ERRORS as error:
        raise ModelBundleError(f"{location}: {MANIFEST} cannot be read: {error}") from error


def open_bundle(location: str, s3_client: Callable[[], Any]) -> Storage:
    """Open a bundle's folder or prefix, or a pointer's; nothing is accessed yet.

    Raises:
        SettingsError: The location is any other URL.
    """
    # A folder may be named by its path, so that the usual case needs no URL.
    if "://" not in location:
        return FolderStorage(Path(location))
    return open_storage("MODEL_LOCATION", location, s3_client)
