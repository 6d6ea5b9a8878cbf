"""A stream into Parquet files: each record once, also after kill -9."""

import logging
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec

from streaming.archive.archive_state import State, StateObject, WrittenFile
from streaming.archive.parquet_file import identities, parquet_file
from streaming.archive.row_buffer import Groups, RowBuffer
from streaming.archive.table import Row, Table, row_of
from streaming.errors import ArchiveError, StorageError, StorageUnavailable
from streaming.reader.checkpoints import TRIM_HORIZON
from streaming.reader.stream_description import StreamReads
from streaming.reader.stream_reader import DUPLICATE_WINDOW, StreamReader
from streaming.retries import backoff
from streaming.storage import Storage

logger = logging.getLogger(__name__)

RECENT_FILES = 500
"""Of so many files at most the events are known after a restart."""

Files = dict[str, tuple[Table, list[Row]]]
"""By name: a file's table and rows."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """When rows are written.

    Attributes:
        rows: As soon as there are so many.
        data_bytes: As soon as their records' data are so large.
        seconds: As soon as the last commit is so long ago.
    """

    rows: int = 50_000
    data_bytes: int = 16 * 1024 * 1024
    seconds: float = 60.0


class StreamArchive:
    """Writes a stream's records to the tables of an archive.

    What is promised: a record that the stream still holds when it is read becomes one row, however
    often the program is killed, and wherever. A prediction that was published again is dropped if
    at most 100,000 predictions came between, and after a restart at most 500 files. Files become
    visible a moment before the commit that makes them final; if the program is killed in between,
    the next run deletes them, and writes their rows again. One program may write at a time.

    Memory holds the rows that are not written yet, within the limits, and the reader's.

    Args:
        client: A boto3 Kinesis client.
        stream: The stream's name.
        tables: Each is tried in turn for a record; see `row_of` for what none of them takes.
        storage: Where the archive is.
        limits: When rows are written.
        committed: Called after each commit with the rows written, by table.
        clock: Monotonic seconds.
        sleep: Waits for some seconds; by default until `stop` is called.
        jitter: Returns a random number, uniform from 0 to 1.

    Attributes:
        rows: Rows in the archive that this program has written, by table.
        duplicates: Predictions that it has dropped as duplicates.
    """

    def __init__(  # noqa: PLR0913  all but four have defaults, three are for time and randomness
        self,
        client: StreamReads,
        stream: str,
        tables: Sequence[Table],
        storage: Storage,
        *,
        limits: Limits = Limits(),
        committed: Callable[[Counter[str]], object] = lambda _rows: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.stream = stream
        self.rows: Counter[str] = Counter()
        self.duplicates = 0
        self._client = client
        self._tables = tables
        self._storage = storage
        self._limits = limits
        self._committed = committed
        self._clock = clock
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._jitter = jitter
        self._writer = uuid.uuid4().hex[:12]
        self._state_object = StateObject(storage, stream, self._writer)

    def stop(self) -> None:
        """End `run` after a last commit; from another thread or a signal handler."""
        self._stopped.set()

    def reset(self) -> None:
        """Let `run` be called again after `stop`."""
        self._stopped.clear()

    def run(self, *, follow: bool = True) -> None:
        """Archive from where the last run ended.

        Args:
            follow: Wait for new records until `stop` is called. If false, end at the stream's tip.

        Raises:
            ArchiveError: The state cannot be read, or another program writes the archive.
            StorageError: The storage cannot be used; if it is only unavailable, it is tried again.
            StreamError: The stream cannot be read.
        """
        self._buffer = RowBuffer()
        self._state = self._retried(self._state_object.claim)
        reader = self._reader = self._open_reader(follow=follow)
        self._due = self._clock() + self._limits.seconds
        before = self.duplicates
        for record in reader:
            table, row = row_of(record, self.stream, self._tables)
            self._buffer.add(record, table, row)
            reader.checkpoint()
            self.duplicates = before + reader.duplicates
            if self._is_due():
                self._commit()
        reader.checkpoint()
        self.duplicates = before + reader.duplicates
        self._commit()

    def _open_reader(self, *, follow: bool) -> StreamReader:
        deduplicated = any(table.deduplicated for table in self._tables)
        return StreamReader(
            self._client,
            self.stream,
            TRIM_HORIZON,
            saved=self._state.position or None,
            follow=follow,
            stopped=self._stopped,
            # A producer's own `event_id` does not identify a record of another kind.
            duplicate_window=DUPLICATE_WINDOW if deduplicated else 0,
            known=self._known_events(),
            clock=self._clock,
            sleep=self._idle,
            jitter=self._jitter,
        )

    def _known_events(self) -> Iterator[bytes]:
        """Yield the identities of the rows written last."""
        for file in self._state.recent:
            try:
                content = self._retried(partial(self._storage.read, file.name))
                yield from identities(content)
            except (StorageError, OSError, ValueError) as error:
                logger.warning(
                    "%s is gone or damaged (%s): a duplicate of a prediction in it is not "
                    "recognised",
                    file.name,
                    error,
                )

    def _idle(self, seconds: float) -> object:
        """Wait, as the reader does when there is nothing to read; all that it read is processed."""
        if self._is_due():
            self._commit()
        return self._sleep(seconds)

    def _is_due(self) -> bool:
        buffer, limits = self._buffer, self._limits
        full = buffer.rows >= limits.rows or buffer.data_bytes >= limits.data_bytes
        return full or self._clock() >= self._due

    def _commit(self) -> None:
        """Write the rows, and then how far the stream is archived."""
        self._due = self._clock() + self._limits.seconds
        position = self._reader.position
        groups = self._buffer.take(position)
        if not groups and position in ({}, self._state.position):
            return  # without shards there is no position, as while a stream is being created
        state, files = self._state, Files()
        if groups:
            files = self._named(groups)
            state = msgspec.structs.replace(state, pending=tuple(files))
            self._save(state)
            for name, (table, rows) in files.items():
                content = parquet_file(table, rows)
                self._retried(partial(self._storage.put, name, content))
        self._save(
            msgspec.structs.replace(
                state,
                commits=state.commits + 1,
                position=position,
                pending=(),
                recent=_recent([*state.recent, *_deduplicated(files)]),
            )
        )
        written = Counter[str]()
        for table, rows in groups.values():
            written[table.name] += len(rows)
        self.rows += written
        self._committed(written)

    def _named(self, groups: Groups) -> Files:
        """Name a file for each group: no other run or commit has the same names."""
        number = f"{self._state.commits + 1:08}"
        return {
            f"{folder}/{self.stream}-{number}-{self._writer}.parquet": group
            for (_, folder), group in groups.items()
        }

    def _save(self, state: State) -> None:
        try:
            self._retried(partial(self._state_object.save, state))
        except ArchiveError:
            for name in self._state.pending:  # of the commit that is not made
                with suppress(StorageError):
                    self._state_object.delete(name)
            raise
        self._state = state

    def _retried(self, call: Callable[[], T]) -> T:
        """Call the storage until it is available, or this is stopped."""
        attempt = 0
        while True:
            try:
                return call()
            except StorageUnavailable as error:
                logger.warning("%s; retrying", error)
                if self._sleep(backoff(attempt, self._jitter)):
                    raise
                attempt += 1


def _deduplicated(files: Files) -> list[WrittenFile]:
    return [
        WrittenFile(name, len(rows)) for name, (table, rows) in files.items() if table.deduplicated
    ]


def _recent(files: Sequence[WrittenFile]) -> tuple[WrittenFile, ...]:
    """Return the last files whose rows the reader can remember."""
    kept: list[WrittenFile] = []
    rows = 0
    for file in reversed(files[-RECENT_FILES:]):
        if rows >= DUPLICATE_WINDOW:
            break
        kept.append(file)
        rows += file.rows
    return tuple(reversed(kept))
