"""A file that keeps a stream reader's checkpoints between runs."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from streaming.files import write_atomically
from streaming.reader.stream_reader import StreamReader

SAVE_INTERVAL_SECONDS = 1.0


class _Content(msgspec.Struct):
    stream: str
    shards: dict[str, str]


class CheckpointFile:
    """The checkpoints of one stream.

    Args:
        path: The file; created by the first `save`.
        stream_name: The stream.
        clock: Monotonic seconds.
    """

    def __init__(
        self, path: Path, stream_name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._stream_name = stream_name
        self._clock = clock
        self._saved_at = clock()

    def load(self) -> dict[str, str] | None:
        """Return the checkpoints to resume from; None if there is no file.

        Raises:
            ValueError: The file does not hold checkpoints of this stream.
            OSError: It cannot be read.
        """
        if not self._path.exists():
            return None
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{self._path} is not a checkpoint file: {error}") from None
        if content.stream != self._stream_name:
            raise ValueError(
                f"{self._path} holds checkpoints of {content.stream}, not of {self._stream_name}"
            )
        return content.shards

    def save(self, reader: StreamReader) -> None:
        """Write the reader's checkpoints, all of them or none.

        Raises:
            OSError: The file could not be written.
        """
        self._saved_at = self._clock()
        if reader.position:
            content = _Content(self._stream_name, reader.position)
            write_atomically(self._path, msgspec.json.encode(content))

    def save_periodically(self, reader: StreamReader) -> None:
        """Save at most once a second, in case the program is killed."""
        if self._clock() - self._saved_at >= SAVE_INTERVAL_SECONDS:
            self.save(reader)
