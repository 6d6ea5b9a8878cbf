"""The delivery log: which dead-letter records a redrive has delivered, so that it can resume.

The first line says which redrive it belongs to. A line that starts with `=` names a stream that
records are put on. Every other line is a state and the id of a record:

    ? "ride_events shardId-000000000000:1 3f0a…"    sent, but there is no response yet
    + "ride_events shardId-000000000000:1 3f0a…"    accepted
    * "ride_events shardId-000000000000:1 3f0a…"    accepted; it was in doubt before
    - "ride_events shardId-000000000000:1 3f0a…"    refused

A record also stays in doubt if the response to its call contradicts itself.

The line is on disk before its record is sent, and the response only overwrites the state: a full
disk stops a delivery before a call, never between a call and its line. A response is in the file at
once, and on disk before the next call: only if the machine itself stops can it be lost.
"""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from streaming.errors import DeliveryLogError, DeliveryLogMismatch
from streaming.redrive.stream_identity import StreamIdentity

STREAM = b"="
IN_DOUBT, DELIVERED, REPEATED, REFUSED = b"?", b"+", b"*", b"-"


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[2]
    location: str
    stream: str | None


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_stream = msgspec.json.Decoder(StreamIdentity).decode
_decode_id = msgspec.json.Decoder(str).decode


class DeliveryLog:
    """The delivered records of one redrive, and the streams that they were put on.

    It is read at once; nothing is created. Within its context (`with log:`) it is locked and can be
    written.

    Args:
        path: The file.
        location: Where the dead letters are.
        stream: Where they are delivered; None: each to the stream it came from.
        sync: Writes a file through to the disk, given its descriptor.

    Attributes:
        stream: As given.

    Raises:
        DeliveryLogMismatch: The file belongs to another redrive, or is not a delivery log.
        DeliveryLogError: It cannot be read.
    """

    def __init__(
        self,
        path: Path,
        location: str,
        stream: str | None,
        *,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        self.stream = stream
        self._path = path
        self._header = _Header(2, location, stream)
        self._sync = sync
        self._file: int | None = None
        self._read()

    def __contains__(self, record_id: object) -> bool:
        """Return whether a record was delivered."""
        return record_id in self._delivered

    def __len__(self) -> int:
        """Return how many records were delivered."""
        return len(self._delivered)

    @property
    def repeated(self) -> int:
        """How many delivered records may be on the stream twice."""
        return len(self._repeated & self._delivered)

    def __enter__(self) -> Self:
        """Lock the file, read it again, and write its first line through to the disk.

        Raises:
            DeliveryLogMismatch: As for the constructor.
            DeliveryLogError: It cannot be written, or another redrive uses it.
        """
        with self._errors("write"):
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._lock(self._file)
            self._read()
            with self._errors("write"):
                os.ftruncate(self._file, self._end)
                if not self._end:
                    self._append(msgspec.json.encode(self._header) + b"\n")
                    _sync_folder(self._path.parent)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the file through to the disk, close and unlock it."""
        try:
            with self._errors("write"):
                self._sync(self._descriptor())
        finally:
            self._close()

    def bind(self, identity: StreamIdentity) -> None:
        """Log a stream that records are put on, unless it is known.

        Raises:
            DeliveryLogMismatch: The log belongs to another account, region or endpoint, or to an
                earlier stream of this name.
            DeliveryLogError: The log cannot be written.
        """
        for known in self._streams:
            if not known.is_compatible_with(identity):
                raise DeliveryLogMismatch(
                    f"{self._path} logs deliveries to {known}, but this is {identity}: "
                    "use another --delivery-log"
                )
        if identity not in self._streams:
            with self._errors("write"):
                self._append(STREAM + msgspec.json.encode(identity) + b"\n")
            self._streams.append(identity)

    def sending(self, record_ids: Collection[str]) -> None:
        """Log records that are about to be sent.

        Raises:
            DeliveryLogError: The log cannot be written: the records must not be sent.
        """
        new = [record_id for record_id in record_ids if record_id not in self._offsets]
        offset = self._end
        with self._errors("write"):
            self._overwrite(record_ids, IN_DOUBT)
            self._append(b"".join(_line(record_id) for record_id in new))
        for record_id in new:
            self._offsets[record_id] = offset
            offset += len(_line(record_id))
        self._repeated.update(self._in_doubt.intersection(record_ids))
        self._in_doubt.update(record_ids)

    def sent(self, *, accepted: Collection[str] = (), refused: Collection[str] = ()) -> None:
        """Log the response for records that were sent; those in neither argument stay in doubt.

        So do refused records if they were in doubt after an earlier call with them.

        Raises:
            DeliveryLogError: The log cannot be written.
        """
        not_put = set(refused) - self._repeated
        self._delivered.update(accepted)
        self._in_doubt.difference_update(accepted, not_put)
        with self._errors("write"):
            self._overwrite(self._repeated.intersection(accepted), REPEATED)
            self._overwrite(set(accepted) - self._repeated, DELIVERED)
            self._overwrite(not_put, REFUSED)

    def _read(self) -> None:
        self._delivered: set[str] = set()
        self._in_doubt: set[str] = set()
        self._repeated: set[str] = set()  # sent again while in doubt
        self._offsets: dict[str, int] = {}
        self._streams: list[StreamIdentity] = []
        self._end = 0
        if not self._path.exists():
            return
        if not self._path.is_file():  # a device may never end
            raise DeliveryLogMismatch(f"{self._path} is not a delivery log: it is not a file")
        with self._errors("read"):
            content = self._path.read_bytes()
        try:
            self._parse(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DeliveryLogMismatch(f"{self._path} is not a delivery log: {error}") from error

    def _parse(self, content: bytes) -> None:
        # A line that an interruption cut short is dropped: its record was not sent.
        end = content.rfind(b"\n") + 1
        if not end and msgspec.json.encode(self._header).startswith(content):
            return
        header, *lines = content[:end].splitlines(keepends=True) or [content]
        found = _decode_header(header)
        if not lines:  # nothing was delivered: it belongs to no redrive yet
            return
        if found != self._header:
            raise DeliveryLogMismatch(
                f"{self._path} logs a redrive from {found.location} to "
                f"{found.stream or 'the original streams'}"
            )
        self._end = len(header)
        for line in lines:
            self._parse_line(line)
            self._end += len(line)

    def _parse_line(self, line: bytes) -> None:
        state, text = line[:1], line[1:]
        if state == STREAM:
            self._streams.append(_decode_stream(text))
            return
        record_id = _decode_id(text)
        self._offsets[record_id] = self._end
        if state in (DELIVERED, REPEATED):
            self._delivered.add(record_id)
            if state == REPEATED:
                self._repeated.add(record_id)
        elif state == IN_DOUBT:
            self._in_doubt.add(record_id)
        elif state != REFUSED:
            raise DeliveryLogMismatch(f"{self._path} is not a delivery log: {line[:80]!r}")

    def _append(self, content: bytes) -> None:
        """Write lines at the end, through to the disk; remove them again if that fails."""
        file = self._descriptor()
        try:
            _write(file, content, self._end)
            self._sync(file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, self._end)
            raise
        self._end += len(content)

    def _overwrite(self, record_ids: Collection[str], state: bytes) -> None:
        file = self._descriptor()
        for record_id in record_ids:
            if record_id in self._offsets:
                _write(file, state, self._offsets[record_id])

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeliveryLogError(f"{self._path} is in use by another redrive") from error

    def _descriptor(self) -> int:
        if self._file is None:
            raise DeliveryLogError(f"{self._path} is not open: use it in a with statement")
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error  # str(error) repeats the path
            raise DeliveryLogError(f"cannot {action} {self._path}: {reason}") from error


def _line(record_id: str) -> bytes:
    return IN_DOUBT + msgspec.json.encode(record_id) + b"\n"


def _write(file: int, content: bytes, offset: int) -> None:
    """Write at an offset; unlike os.pwrite, all of it."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def _sync_folder(folder: Path) -> None:
    """Write a folder through to the disk: a new file's name is kept there."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
