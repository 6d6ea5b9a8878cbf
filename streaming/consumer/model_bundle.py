"""A model bundle: a manifest and the files it names, in a folder or on S3.

What is read is checked against the manifest's hashes before anything uses it, and it is never
unpickled.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from streaming.errors import ModelBundleError
from streaming.locations import parse_location

MANIFEST = "manifest.json"
FORMAT = 1

VERSION_CHARACTERS = 128
"""It stands in every prediction, whose record has a limit."""


class Target(msgspec.Struct, frozen=True):
    """What the manifest says of one target.

    Attributes:
        file: The model's path in the bundle.
        sha256: Its hash, in hexadecimal.
        unit: What the prediction is counted in.
        model: The registered model's name.
        version: The registered model's version.
    """

    file: str
    sha256: str
    unit: str
    model: str
    version: str


class Manifest(msgspec.Struct, frozen=True):
    """The part of `manifest.json` that serving needs.

    Attributes:
        format: The layout of the bundle.
        version: The bundle's own version.
        targets: What is predicted, by name.
    """

    format: int
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=VERSION_CHARACTERS)]
    targets: dict[str, Target]


class _Header(msgspec.Struct):
    """What every format has: of a newer one nothing else may be expected."""

    format: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and checked.

    Attributes:
        manifest: What it says of itself.
        models: The bytes of each model that was asked for, by target.
    """

    manifest: Manifest
    models: dict[str, bytes]


def read_bundle(location: str, targets: Iterable[str], s3_client: Callable[[], Any]) -> Bundle:
    """Read a bundle and verify its hashes.

    Args:
        location: A folder or `s3://bucket/prefix`.
        targets: The targets whose models are wanted.
        s3_client: Makes a boto3 S3 client; called only for `s3://`.

    Raises:
        ModelBundleError: A file is missing or is not what the manifest says, the manifest cannot
            be read, or it lacks a target.
        SettingsError: The location is a URL of another kind.
    """
    read = _reader(location, s3_client)
    manifest = _manifest(location, read(MANIFEST))
    models = {}
    for name in targets:
        target = manifest.targets.get(name)
        if target is None:
            there = ", ".join(sorted(manifest.targets)) or "none"
            raise ModelBundleError(f"{location}: {MANIFEST} has no target {name}; it has {there}")
        path = PurePosixPath(target.file)
        if path.is_absolute() or ".." in path.parts:
            raise ModelBundleError(f"{location}: {target.file} is outside the bundle")
        models[name] = read(target.file)
        digest = hashlib.sha256(models[name]).hexdigest()
        if digest != target.sha256:
            raise ModelBundleError(
                f"{location}: {target.file} has SHA-256 {digest}; the manifest says {target.sha256}"
            )
    return Bundle(manifest, models)


def _manifest(location: str, content: bytes) -> Manifest:
    try:
        found = msgspec.json.decode(content, type=_Header).format
        if found != FORMAT:
            raise ModelBundleError(
                f"{location}: {MANIFEST} has format {found}; this program reads {FORMAT}"
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelBundleError(f"{location}: {MANIFEST} cannot be read: {error}") from error


def _reader(location: str, s3_client: Callable[[], Any]) -> Callable[[str], bytes]:
    # A bundle's folder is named as a path, so that the usual case needs no URL.
    place = parse_location("MODEL_LOCATION", location) if "://" in location else Path(location)
    if isinstance(place, Path):
        return lambda name: _read_file(place, name)
    client = s3_client()
    return lambda name: _read_object(client, place.name, f"{place.prefix}/{name}".lstrip("/"))


def _read_file(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except (OSError, ValueError) as error:  # a name with a zero byte in it is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelBundleError(f"cannot read {name} of the bundle {folder}: {reason}") from error


def _read_object(client: Any, bucket: str, key: str) -> bytes:
    try:
        body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise ModelBundleError(f"cannot read s3://{bucket}/{key}: {error}") from error
    return body
