"""The objects in a place for dead letters: their names, their bytes, and their removal."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from streaming.errors import DeadLettersUnreadable
from streaming.files import UNFINISHED
from streaming.locations import parse_location


class DeadLetterObjects(Protocol):
    """Objects under a folder or a prefix. Every call raises `DeadLettersUnreadable` if it fails."""

    def names(self) -> list[str]:
        """List the objects, sorted by name; the names have slashes."""

    def read(self, name: str) -> bytes:
        """Read an object."""

    def delete(self, name: str) -> None:
        """Remove an object for ever."""


class FolderObjects:
    """The files of a folder and of the folders in it.

    Args:
        folder: The folder, which must be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """List the files, without those that are being written."""
        if not self._folder.is_dir():
            raise DeadLettersUnreadable(f"there is no folder {self._folder}")
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return sorted(
            path.relative_to(self._folder).as_posix() for path in files if path.suffix != UNFINISHED
        )

    def read(self, name: str) -> bytes:
        """Read a file."""
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise DeadLettersUnreadable(f"cannot read {self._folder / name}: {error}") from error

    def delete(self, name: str) -> None:
        """Remove a file; its folder stays."""
        try:
            (self._folder / name).unlink()
        except OSError as error:
            raise DeadLettersUnreadable(f"cannot delete {self._folder / name}: {error}") from error


class S3Objects:
    """The objects of a bucket under a prefix.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket's name.
        prefix: What every key begins with, without slashes around it; may be empty.
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def names(self) -> list[str]:
        """List the keys, without the prefix."""
        try:
            pages: Iterable[Any] = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            place = f"s3://{self._bucket}/{self._prefix}"
            raise DeadLettersUnreadable(f"cannot list {place}: {error}") from error
        # A key that ends in a slash is a folder that some console made.
        return sorted(key.removeprefix(self._prefix) for key in keys if not key.endswith("/"))

    def read(self, name: str) -> bytes:
        """Read an object."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            content: bytes = answer["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise DeadLettersUnreadable(f"cannot read {self._place(name)}: {error}") from error
        return content

    def delete(self, name: str) -> None:
        """Remove an object."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except (BotoCoreError, ClientError) as error:
            raise DeadLettersUnreadable(f"cannot delete {self._place(name)}: {error}") from error

    def _place(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"


def open_objects(location: str, s3_client: Callable[[], Any]) -> DeadLetterObjects:
    """Open a place for dead letters.

    Args:
        location: `s3://bucket/prefix` or `file:///folder`.
        s3_client: Makes a boto3 S3 client; called only for `s3://`.

    Raises:
        SettingsError: It is neither.
    """
    place = parse_location("location", location)
    if isinstance(place, Path):
        return FolderObjects(place)
    return S3Objects(s3_client(), place.name, place.prefix)
