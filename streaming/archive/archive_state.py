"""What an archive has done with a stream: one object beside its tables, replaced as a whole.

A commit is three steps. The names of the files to come are written to the state; then the files;
then the state with the new position and without those names. A program that is killed before the
last step leaves names in the state: the next one deletes those files, of which it will read the
records again. After the last step the files are the archive's.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from botocore.exceptions import ClientError

from streaming.errors import DECODE_ERRORS, ArchiveError, StorageError
from streaming.files import UNFINISHED
from streaming.retries import error_code
from streaming.storage import FolderStorage, Storage

FORMAT = 1
FOLDER = "_state"
"""Query engines skip folders that begin with an underscore."""

MISSING = {"NoSuchKey", "404"}


class WrittenFile(msgspec.Struct, frozen=True):
    """A file with rows that are identified by their event.

    Attributes:
        name: Its name in the archive.
        rows: How many rows it has.
    """

    name: str
    rows: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stream is archived.

    Attributes:
        stream: The stream's name.
        writer: Which run of which program writes the archive.
        commits: How many there were.
        position: A `StreamReader.position`: the records up to it are in the tables.
        pending: Files that are being written.
        recent: The last files of deduplicated tables, the oldest first.
        format: Of this state.
    """

    stream: str
    writer: str
    commits: int = 0
    position: dict[str, str] = {}
    pending: tuple[str, ...] = ()
    recent: tuple[WrittenFile, ...] = ()
    format: int = FORMAT


class StateObject:
    """The object that holds a stream's state.

    Args:
        storage: The archive's.
        stream: The stream's name.
        writer: Identifies this run; no other has the same.
    """

    def __init__(self, storage: Storage, stream: str, writer: str) -> None:
        self._storage = storage
        self._stream = stream
        self._writer = writer
        self._name = f"{FOLDER}/{stream}.json"

    def claim(self) -> State:
        """Make this run the one that writes, and delete what an earlier one did not finish.

        Raises:
            ArchiveError: The state cannot be read, or another program writes the archive.
            StorageError: The storage cannot be used.
        """
        state = self._load() or State(stream=self._stream, writer=self._writer)
        state = msgspec.structs.replace(state, writer=self._writer)
        self._put(state)
        return self.discard_pending(state)

    def save(self, state: State) -> None:
        """Replace the state.

        Raises:
            ArchiveError: Another run has claimed the archive.
            StorageError: The storage cannot be used.
        """
        found = self._load()
        if found is None or found.writer != self._writer:
            raise ArchiveError(f"another program writes the archive of {self._stream}; one may")
        self._put(state)

    def discard_pending(self, state: State) -> State:
        """Delete the files that were being written; return the state without them."""
        if not state.pending:
            return state
        for name in state.pending:
            self.delete(name)
        state = msgspec.structs.replace(state, pending=())
        self.save(state)
        return state

    def delete(self, name: str) -> None:
        """Delete an object, if it exists."""
        try:
            self._storage.delete(name)
        except StorageError as error:
            if not _is_missing(error):
                raise

    def _load(self) -> State | None:
        try:
            content = self._storage.read(self._name)
        except StorageError as error:
            if _is_missing(error):
                return None
            raise
        try:
            state = msgspec.json.decode(content, type=State)
        except DECODE_ERRORS as error:
            raise ArchiveError(f"{self._name} is not an archive's state: {error}") from error
        if (state.stream, state.format) != (self._stream, FORMAT):
            raise ArchiveError(
                f"{self._name} is the state of {state.stream} in format {state.format}; "
                f"allowed: {self._stream} in format {FORMAT}"
            )
        return state

    def _put(self, state: State) -> None:
        self._storage.put(self._name, msgspec.json.encode(state))


def archive_folder(folder: Path, stream: str) -> FolderStorage:
    """Return the storage of a stream's archive in a folder.

    A killed program leaves its last, unfinished file where no query looks, and the next one writes
    over it.
    """
    return FolderStorage(folder, folder / FOLDER / f"{stream}{UNFINISHED}")


@contextmanager
def locked_folder(folder: Path, stream: str) -> Iterator[None]:
    """Hold a stream's lock in a folder, so that no second program on this machine writes it.

    It ends with the program, also after kill -9.

    Raises:
        ArchiveError: Another program holds it, or it cannot be created.
    """
    path = folder / FOLDER / f"{stream}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ArchiveError(f"cannot write {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another program writes the archive of {stream} in {folder}"
            raise ArchiveError(message) from error
        yield
    finally:
        os.close(descriptor)


def _is_missing(error: StorageError) -> bool:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        return True
    return isinstance(cause, ClientError) and error_code(cause) in MISSING
