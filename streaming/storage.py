"""Objects by name, in a folder or a bucket: dead-letter records, discarded batches, bundles."""

import errno
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from streaming.aws_errors import describe_error
from streaming.errors import StorageError, StorageUnavailable, StreamingError
from streaming.files import UNFINISHED, write_atomically
from streaming.locations import S3Location, parse_location
from streaming.retries import is_transient

JSON = "application/json"
CONTENT_TYPES = {".jsonl": "application/x-ndjson", ".parquet": "application/vnd.apache.parquet"}
"""By a name's suffix; of every other object: JSON."""
NOT_MODIFIED = 304


class Storage(Protocol):
    """Named objects; names may contain slashes.

    Every method raises `StorageError` on failure: `StorageUnavailable` if the same call may succeed
    later.
    """

    def names(self) -> list[str]:
        """Return the names of all objects, sorted."""

    def read(self, name: str) -> bytes:
        """Return an object's content."""

    def read_if_changed(self, name: str, tag: str | None) -> tuple[bytes, str] | None:
        """Return an object's content and its tag, which another content does not have.

        Args:
            name: The object.
            tag: From an earlier call; None: there was none.

        Returns:
            None if the object still has that tag.
        """

    def put(self, name: str, content: bytes) -> None:
        """Write an object as a whole, replacing one of the same name."""

    def delete(self, name: str) -> None:
        """Delete an object."""


class FolderStorage:
    """Objects as files.

    Args:
        folder: Created by the first `put`.
        unfinished: Where an object is written before it gets its name, if there is one writer; by
            default beside it, where a program that is killed leaves a file.
    """

    def __init__(self, folder: Path, unfinished: Path | None = None) -> None:
        self._folder = folder
        self._unfinished = unfinished

    def names(self) -> list[str]:
        """See `Storage.names`; files still being written are left out."""
        if not self._folder.is_dir():
            raise StorageError(f"there is no folder {self._folder}")
        with _storage_errors("list", self._folder):
            files = [path for path in self._folder.rglob("*") if path.is_file()]
        return sorted(
            path.relative_to(self._folder).as_posix() for path in files if path.suffix != UNFINISHED
        )

    def read(self, name: str) -> bytes:
        """See `Storage.read`."""
        path = self._folder / name
        with _storage_errors("read", path):
            if not stat.S_ISREG(path.stat().st_mode):  # a named pipe would wait for a writer
                raise OSError(errno.EINVAL, "not a regular file")
            return path.read_bytes()

    def read_if_changed(self, name: str, tag: str | None) -> tuple[bytes, str] | None:
        """See `Storage.read_if_changed`; `put` gives a file another inode."""
        with _storage_errors("read", self._folder / name):
            found = (self._folder / name).stat()
        present = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
        return None if present == tag else (self.read(name), present)

    def put(self, name: str, content: bytes) -> None:
        """See `Storage.put`."""
        with _storage_errors("write", self._folder / name):
            write_atomically(self._folder / name, content, self._unfinished)

    def delete(self, name: str) -> None:
        """See `Storage.delete`; the file's folder stays."""
        with _storage_errors("delete", self._folder / name):
            (self._folder / name).unlink()


class S3Storage:
    """Objects of a bucket under a key prefix.

    Args:
        make_client: Creates an S3 client; called once, on first use, because it takes time and
            most functions never meet poison.
        location: The bucket and the prefix.
    """

    def __init__(self, make_client: Callable[[], Any], location: S3Location) -> None:
        self._make_client = make_client
        self._client: Any = None
        self._bucket = location.bucket
        self._prefix = f"{location.prefix}/" if location.prefix else ""

    def names(self) -> list[str]:
        """See `Storage.names`."""
        with _storage_errors("list", self._url("")):
            paginator = self._connected().get_paginator("list_objects_v2")
            pages: Iterable[Any] = paginator.paginate(Bucket=self._bucket, Prefix=self._prefix)
            keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        # Some consoles create empty objects whose key ends in a slash, to show a folder.
        return sorted(key.removeprefix(self._prefix) for key in keys if not key.endswith("/"))

    def read(self, name: str) -> bytes:
        """See `Storage.read`."""
        with _storage_errors("read", self._url(name)):
            response = self._connected().get_object(Bucket=self._bucket, Key=self._prefix + name)
            content: bytes = response["Body"].read()
        return content

    def read_if_changed(self, name: str, tag: str | None) -> tuple[bytes, str] | None:
        """See `Storage.read_if_changed`; a conditional request."""
        condition = {} if tag is None else {"IfNoneMatch": tag}
        with _storage_errors("read", self._url(name)):
            try:
                response = self._connected().get_object(
                    Bucket=self._bucket, Key=self._prefix + name, **condition
                )
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == NOT_MODIFIED:
                    return None
                raise
            return response["Body"].read(), response["ETag"]

    def put(self, name: str, content: bytes) -> None:
        """See `Storage.put`."""
        with _storage_errors("write", self._url(name)):
            self._connected().put_object(
                Bucket=self._bucket,
                Key=self._prefix + name,
                Body=content,
                ContentType=CONTENT_TYPES.get(PurePosixPath(name).suffix, JSON),
            )

    def delete(self, name: str) -> None:
        """See `Storage.delete`."""
        with _storage_errors("delete", self._url(name)):
            self._connected().delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def _connected(self) -> Any:
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def _url(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"


def open_storage(setting: str, location: str, s3_client: Callable[[], Any]) -> Storage:
    """Open a folder or a bucket; nothing is accessed yet.

    Args:
        setting: The setting that holds the location, for the error.
        location: `s3://bucket/prefix` or `file:///folder`.
        s3_client: Creates an S3 client; called on first use of `s3://`.

    Raises:
        SettingsError: The location is neither.
    """
    found = parse_location(setting, location)
    return FolderStorage(found) if isinstance(found, Path) else S3Storage(s3_client, found)


@contextmanager
def _storage_errors(action: str, location: object) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # botocore's parser raises anything on a malformed response
        if isinstance(error, OSError | StreamingError) and not isinstance(error, BotoCoreError):
            # No call failed: a file cannot be used (the error repeats its path), or S3 not set up.
            reason = getattr(error, "strerror", None) or error
            raise StorageError(f"cannot {action} {location}: {reason}") from error
        failure = StorageUnavailable if is_transient(error) else StorageError
        raise failure(f"cannot {action} {location}: {describe_error(error)}") from error
