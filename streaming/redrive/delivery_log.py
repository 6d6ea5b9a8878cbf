"""What a replay has delivered, kept in a file, so that it can go on after an interruption."""

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
    """The ids of delivered letters, one JSON text a line behind a line that says of what.

    An id is written after its delivery; if the program ends between the two, the letter is
    delivered again: at least once, as on Kinesis itself.

    Args:
        path: The file; made by the first `add`.
        location: Where the letters lie.
        stream: Where they go; None: each to the stream it came from.

    Raises:
        DeliveryLogMismatch: The file is of another replay, or no delivery_log.
    """

    def __init__(self, path: Path, location: str, stream: str | None) -> None:
        self._path = path
        self._header = _Header(location, stream)
        self._delivered: set[str] = set()
        self._whole = 0
        self._file: BinaryIO | None = None
        if path.exists():
            self._load(path.read_bytes())

    def __contains__(self, letter_id: str) -> bool:
        """Tell whether a letter was delivered."""
        return letter_id in self._delivered

    def __len__(self) -> int:
        """Count the letters that were delivered."""
        return len(self._delivered)

    def add(self, letter_ids: Iterable[str]) -> None:
        """Note letters as delivered, on the disk too."""
        new = list(letter_ids)
        if self._file is None:
            self._file = self._open()
        self._file.write(b"".join(msgspec.json.encode(letter_id) + b"\n" for letter_id in new))
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
        # A line that was cut off by the interruption has no end; its letter is delivered again.
        self._whole = content.rfind(b"\n") + 1
        if not self._whole and msgspec.json.encode(self._header).startswith(content):
            return
        header, *lines = content[: self._whole].splitlines() or [content]
        try:
            found = msgspec.json.decode(header, type=_Header)
            self._delivered.update(msgspec.json.decode(line, type=str) for line in lines)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DeliveryLogMismatch(
                f"{self._path} is no delivery_log of a replay: {error}"
            ) from error
        if found != self._header:
            raise DeliveryLogMismatch(
                f"{self._path} is of a replay of {found.location} to "
                f"{found.stream or 'the streams of origin'}"
            )

    def _open(self) -> BinaryIO:
        file = self._path.open("ab")
        file.truncate(self._whole)
        if not self._whole:
            file.write(msgspec.json.encode(self._header) + b"\n")
        return file
