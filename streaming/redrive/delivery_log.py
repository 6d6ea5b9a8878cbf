"""The delivery log: which dead-letter records a redrive has delivered, so that it can resume."""

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from streaming.errors import DeliveryLogMismatch


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    location: str
    stream: str | None


class DeliveryLog:
    """The ids of delivered records, one JSON string per line after a header line.

    An id is written after its delivery. If the program ends in between, the record is delivered
    again: at least once, as on Kinesis itself.

    Args:
        path: The file; created by the first `add`.
        location: Where the dead letters are.
        stream: Where they are delivered; None: each to the stream it came from.

    Raises:
        DeliveryLogMismatch: The file belongs to another redrive, or is not a delivery log.
    """

    def __init__(self, path: Path, location: str, stream: str | None) -> None:
        self._path = path
        self._header = _Header(location, stream)
        self._delivered: set[str] = set()
        self._complete_bytes = 0
        self._file: BinaryIO | None = None
        if path.exists():
            self._load(path.read_bytes())

    def __contains__(self, record_id: object) -> bool:
        """Return whether a record was delivered."""
        return record_id in self._delivered

    def __len__(self) -> int:
        """Return how many records were delivered."""
        return len(self._delivered)

    def add(self, record_ids: Iterable[str]) -> None:
        """Log records as delivered, flushed to disk."""
        new = list(record_ids)
        if self._file is None:
            self._file = self._open()
        self._file.write(b"".join(msgspec.json.encode(record_id) + b"\n" for record_id in new))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._delivered.update(new)

    def __enter__(self) -> Self:
        """Keep the file open between additions."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _load(self, content: bytes) -> None:
        # A line that an interruption cut short is dropped; its record is delivered again.
        self._complete_bytes = content.rfind(b"\n") + 1
        if not self._complete_bytes and msgspec.json.encode(self._header).startswith(content):
            return
        header, *lines = content[: self._complete_bytes].splitlines() or [content]
        try:
            found = msgspec.json.decode(header, type=_Header)
            self._delivered.update(msgspec.json.decode(line, type=str) for line in lines)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DeliveryLogMismatch(f"{self._path} is not a delivery log: {error}") from error
        if found != self._header:
            raise DeliveryLogMismatch(
                f"{self._path} logs a redrive from {found.location} to "
                f"{found.stream or 'the original streams'}"
            )

    def _open(self) -> BinaryIO:
        file = self._path.open("ab")
        file.truncate(self._complete_bytes)
        if not self._complete_bytes:
            file.write(msgspec.json.encode(self._header) + b"\n")
        return file
