"""The model that `MODEL_LOCATION` names: a bundle, or a pointer to the bundle that serves.

A pointer is a small object beside its bundles. It is written last and as a whole, so that a reader
meets the old model or the new one:

    <prefix>/bundles/<version>/manifest.json    written once
    <prefix>/champion.json                      {"format": 1, "version": "<version>",
                                                 "bundle": "bundles/<version>",
                                                 "manifest_sha256": "<64 hexadecimal digits>"}
"""

import posixpath
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Generic, NamedTuple

import msgspec

from streaming.consumer.interface import EventT, Model
from streaming.consumer.model_bundle import RETRY_SECONDS, VERSION_CHARACTERS, open_bundle
from streaming.consumer.model_check import check_members
from streaming.errors import (
    DECODE_ERRORS,
    ModelBundleError,
    SettingsError,
    StorageError,
    StorageUnavailable,
)
from streaming.retries import Retries

POINTER_FORMAT = 1
SUFFIX = ".json"
"""The end of a `MODEL_LOCATION` that is a pointer; no bundle's location ends so."""

Load = Callable[[Mapping[str, str], Callable[[], Any]], Model[EventT]]
"""`load_model(environment, s3_client)` of model.py."""


class Pointer(msgspec.Struct, frozen=True):
    """Which bundle serves.

    Attributes:
        format: The layout of the pointer.
        version: The bundle's version.
        bundle: The bundle's path, relative to the pointer's folder or prefix.
        manifest_sha256: The hash of the bundle's manifest, in hexadecimal.
    """

    format: int
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=VERSION_CHARACTERS)]
    bundle: Annotated[str, msgspec.Meta(min_length=1)]
    manifest_sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class _Header(msgspec.Struct):
    """The only field that every format is known to have."""

    format: int


def is_pointer(location: str) -> bool:
    """Return whether a `MODEL_LOCATION` is a pointer's, by its name."""
    return location.endswith(SUFFIX)


def decode_pointer(location: str, content: bytes) -> Pointer:
    """Decode a pointer.

    Args:
        location: Where it lies, for the error.
        content: JSON.

    Raises:
        ModelBundleError: It is not a pointer, has an unknown format, or names a bundle that is not
            below its folder.
    """
    try:
        found = msgspec.json.decode(content, type=_Header).format
        if found != POINTER_FORMAT:
            raise ModelBundleError(
                f"the pointer {location} has format {found}; this program reads {POINTER_FORMAT}"
            )
        pointer = msgspec.json.decode(content, type=Pointer)
    except DECODE_ERRORS as error:
        raise ModelBundleError(f"the pointer {location} cannot be read: {error}") from error
    steps = pointer.bundle.split("/")
    if not set(steps).isdisjoint({"", ".", ".."}):
        raise ModelBundleError(
            f"the pointer {location} names the bundle {pointer.bundle!r}; allowed: a path below "
            "the pointer's folder"
        )
    return pointer


class LoadedModel(NamedTuple, Generic[EventT]):
    """A model that was loaded.

    Attributes:
        model: The model.
        pointer: The pointer that led to it; None: `MODEL_LOCATION` is a bundle.
        tag: The storage's tag of the pointer.
    """

    model: Model[EventT]
    pointer: Pointer | None = None
    tag: str | None = None


class ModelSource(Generic[EventT]):
    """Loads the model that `MODEL_LOCATION` names.

    With a pointer, `load_model` receives the bundle's location as `MODEL_LOCATION`, and the hash of
    its manifest as `MODEL_MANIFEST_SHA256`.

    Args:
        load: `load_model` of model.py.
        environment: Such as `os.environ`.
        s3_client: Creates an S3 client, or returns one again.
        retries: Repeats the first read of the pointer while S3 is unavailable, up to
            `RETRY_SECONDS` after the start.

    Raises:
        SettingsError: `MODEL_LOCATION` is any other URL, or `RUN_ID` is set with a pointer: every
            model would have the same version.
    """

    def __init__(
        self,
        load: Load[EventT],
        environment: Mapping[str, str],
        s3_client: Callable[[], Any],
        retries: Retries = Retries(),  # noqa: B008  it is immutable
    ) -> None:
        self._load = load
        self._environment = environment
        self._s3_client = s3_client
        self._retries = retries
        self._location = environment.get("MODEL_LOCATION") or ""
        self.is_pointer = is_pointer(self._location)
        if self.is_pointer:
            self._folder, _, self._name = self._location.rpartition("/")
            self._storage = open_bundle(self._folder or ".", s3_client)
            if run_id := environment.get("RUN_ID"):
                allowed = "not set, since MODEL_LOCATION is a pointer: the version is the bundle's"
                raise SettingsError("RUN_ID", run_id, allowed)

    def load(self) -> LoadedModel[EventT]:
        """Load the model.

        Raises:
            ModelBundleError: The pointer cannot be read.
            InvalidModel: The model lacks a member.
            Exception: As `load_model` raises.
        """
        if not self.is_pointer:
            return LoadedModel(self._checked(self._environment))
        deadline = self._retries.clock() + RETRY_SECONDS
        read = partial(self._storage.read_if_changed, self._name, None)
        try:
            found = self._retries.call(read, StorageUnavailable, deadline)
        except StorageError as error:
            raise ModelBundleError(str(error)) from error
        assert found is not None  # noqa: S101  there was no tag
        return self._load_pointed(*found)

    def load_changed(self, current: LoadedModel[EventT]) -> LoadedModel[EventT] | None:
        """Load the model that a pointer leads to, unless it is the current one.

        Args:
            current: From `load`, or from this method.

        Returns:
            None if the pointer has not changed.

        Raises:
            StorageError: The pointer cannot be read.
            Exception: As for `load`.
        """
        found = self._storage.read_if_changed(self._name, current.tag)
        if found is None:
            return None
        content, tag = found
        if decode_pointer(self._location, content) == current.pointer:
            return LoadedModel(current.model, current.pointer, tag)
        return self._load_pointed(content, tag)

    def _load_pointed(self, content: bytes, tag: str) -> LoadedModel[EventT]:
        pointer = decode_pointer(self._location, content)
        environment = {
            **self._environment,
            "MODEL_LOCATION": posixpath.join(self._folder, pointer.bundle),
            "MODEL_MANIFEST_SHA256": pointer.manifest_sha256,
        }
        return LoadedModel(self._checked(environment), pointer, tag)

    def _checked(self, environment: Mapping[str, str]) -> Model[EventT]:
        model = self._load(environment, self._s3_client)
        check_members(model)
        return model
