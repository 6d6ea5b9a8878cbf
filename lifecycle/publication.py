"""Published bundles: immutable, one for each combination of registered versions, and a pointer.

<prefix>/bundles/<version>/...   a bundle; its manifest is written last
<prefix>/champion.json           which bundle serves; `MODEL_LOCATION` names it

A bundle is made only from what the registry stores, without clock, random number or path, so that
the same registered versions give the same bytes.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lifecycle.errors import PublicationError, RegistryError
from lifecycle.registry import CHAMPION, MODELS, Registry, Versions, bundle_version
from streaming import StorageError
from streaming.consumer.model_bundle import MANIFEST
from streaming.consumer.model_pointer import POINTER_FORMAT, Pointer, decode_pointer
from streaming.storage import Storage, open_storage
from training.bundle_io import manifest_bytes, model_location
from training.tracking import STATISTICS, ModelVersion

POINTER = "champion.json"


def make_bundle(registry: Registry, versions: Versions) -> dict[str, bytes]:
    """Return a bundle's files by name, the manifest last.

    Args:
        registry: Holds the versions.
        versions: One for each target.

    Raises:
        RegistryError: The registry lacks a version or a part of it.
    """
    models = {target: registry.model(target, versions[target]) for target in MODELS}
    statistics = next(iter(models.values())).statistics
    files = {
        f"{target}/{name}": content
        for target, model in models.items()
        for name, content in sorted(model.files.items())
    }
    targets = {
        target: {
            **model_location(target, model.graph, ModelVersion(model.run_id, model.version)),
            **model.record,
        }
        for target, model in models.items()
    }
    manifest = manifest_bytes(bundle_version(versions), targets, statistics)
    return {**files, STATISTICS: statistics, MANIFEST: manifest}


class Publication:
    """Where bundles and the pointer are published.

    Args:
        location: `s3://bucket/prefix` or `file:///folder`.
        s3_client: Creates an S3 client; called on first use of `s3://`.

    Raises:
        SettingsError: The location is neither.
    """

    def __init__(self, location: str, s3_client: Callable[[], Any]) -> None:
        self.location = location.rstrip("/")
        self._storage: Storage = open_storage("PUBLISH", self.location, s3_client)

    def write_bundle(self, files: Mapping[str, bytes]) -> Pointer:
        """Write a bundle unless it is there, and return the pointer that would name it.

        What an interrupted call has left is completed.

        Raises:
            PublicationError: It exists with other content, or cannot be written.
        """
        version = msgspec.json.decode(files[MANIFEST])["version"]
        bundle = f"bundles/{version}"
        published = self._read(f"{bundle}/{MANIFEST}")
        if published not in (None, files[MANIFEST]):
            raise PublicationError(
                f"{self.location}/{bundle} exists with other content, and a bundle is never "
                "changed: is it from another registry? PUBLISH= names another place"
            )
        for name, content in files.items():  # the manifest last: it says that the rest is there
            if published is None or self._read(f"{bundle}/{name}") != content:
                self._put(f"{bundle}/{name}", content)
        digest = hashlib.sha256(files[MANIFEST]).hexdigest()
        return Pointer(POINTER_FORMAT, version, bundle, digest)

    def write_pointer(self, pointer: Pointer, name: str = POINTER) -> None:
        """Let a bundle serve.

        Args:
            pointer: Names the bundle.
            name: The pointer's own name; the default is what serves.

        Raises:
            PublicationError: The pointer cannot be written.
        """
        content = msgspec.json.encode(pointer)
        if self._read(name) != content:
            self._put(name, content)

    def served(self) -> str | None:
        """Return the version of the bundle that serves; None: nothing is published.

        Raises:
            PublicationError: The pointer cannot be read.
            ModelBundleError: It is not a pointer.
        """
        content = self._read(POINTER)
        if content is None:
            return None
        return decode_pointer(f"{self.location}/{POINTER}", content).version

    def _read(self, name: str) -> bytes | None:
        try:
            return self._storage.read(name)
        except StorageError as error:
            if _is_absent(error.__cause__):
                return None
            raise PublicationError(str(error)) from error

    def _put(self, name: str, content: bytes) -> None:
        try:
            self._storage.put(name, content)
        except StorageError as error:
            raise PublicationError(str(error)) from error


def publish_alias(registry: Registry, published: Publication, alias: str) -> tuple[Pointer, str]:
    """Publish the versions that an alias names, beside what serves, which stays as it is.

    A target without the alias has the champion's version: a challenger may be a better duration.

    Returns:
        The pointer, and its name.

    Raises:
        RegistryError: Neither the alias nor the champion names a version of some target, or the
            alias names none at all.
        PublicationError: The bundle or the pointer cannot be written.
    """
    named = registry.aliased(alias)
    if not named:
        models = " or ".join(MODELS.values())
        raise RegistryError(f"{registry.uri} has no alias {alias} of {models}")
    versions = {**registry.aliased(CHAMPION), **named}
    if missing := [MODELS[target] for target in MODELS if target not in versions]:
        raise RegistryError(
            f"{registry.uri} has neither {alias} nor {CHAMPION} of {', '.join(missing)}; a bundle "
            "needs a version of each"
        )
    pointer = published.write_bundle(make_bundle(registry, versions))
    name = f"alias-{alias}.json"
    published.write_pointer(pointer, name)
    return pointer, name


def _is_absent(error: BaseException | None) -> bool:
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    is_key_absent = response.get("Error", {}).get("Code") == "NoSuchKey"
    return isinstance(error, FileNotFoundError) or is_key_absent
