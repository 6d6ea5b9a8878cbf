"""A pointer: the small object that says which bundle serves."""

from typing import Annotated

import msgspec

from streaming.consumer.model_bundle import VERSION_CHARACTERS
from streaming.errors import DECODE_ERRORS, ModelBundleError

POINTER_FORMAT = 1


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


def decode_pointer(location: str, content: bytes) -> Pointer:
    """Decode a pointer.

    Raises:
        ModelBundleError: It is not a pointer.
    """
    try:
        return msgspec.json.decode(content, type=Pointer)
    except DECODE_ERRORS as error:
        raise ModelBundleError(f"the pointer {location} cannot be read: {error}") from error
