"""One shard's threads: one reads, and one for each concurrent batch invokes the function."""

import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

from local.event_source_mapping.batch_buffer import BatchBuffer
from local.event_source_mapping.checkpoint_tracker import CheckpointTracker
from local.event_source_mapping.invocation_event import EncodedRecord, EventEncoder
from streaming.reader.shard_reader import ShardReader, StreamRecord

OnFinished = Callable[[Sequence[EncodedRecord]], None]


class ShardListener(Protocol):
    """Is notified of a shard's progress; its methods are called from the shard's threads."""

    def checkpoint(self, shard_id: str, sequence_number: str) -> None:
        """All records up to and including this one are finished."""

    def shard_end(self, reader: ShardReader) -> None:
        """A closed shard was read to its end and all of its records are finished."""

    def fail(self, error: Exception) -> None:
        """An error that no retry can fix."""


class Processor(Protocol):
    """Processes a shard's batches."""

    def due_in(self) -> float | None:
        """Return the seconds until there is something to do without records, or None."""

    def process(self, records: Sequence[EncodedRecord]) -> bool:
        """Process a batch, or what is due without one; return false if the mapping stops."""

    def close(self) -> None:
        """Do what the end of the shard leaves to do."""


class ShardWorker:
    """Reads one shard to its end and has every record processed.

    Concurrent batches hold different partition keys: all records of one key go through the same
    buffer, so they stay in order.

    Args:
        reader: Reads the shard.
        encoder: Encodes records for Lambda's event.
        buffers: One for each concurrent batch.
        new_processor: Creates the processor, given what it calls with finished records.
        accepts: Returns whether a record reaches the function.
        listener: Is notified of the shard's progress.
        stopping: Set when the mapping stops.
    """

    def __init__(
        self,
        reader: ShardReader,
        encoder: EventEncoder,
        buffers: Sequence[BatchBuffer],
        new_processor: Callable[[OnFinished], Processor],
        *,
        accepts: Callable[[StreamRecord], bool],
        listener: ShardListener,
        stopping: threading.Event,
    ) -> None:
        self._reader = reader
        self._encoder = encoder
        self._buffers = buffers
        self._processor = new_processor(self._finish)
        self._accepts = accepts
        self._listener = listener
        self._stopping = stopping
        self._changed = threading.Condition()
        self._checkpoint = CheckpointTracker()
        self._reading = threading.Thread(target=self._read, name=f"read-{reader.shard_id}")
        self._invoking = [
            threading.Thread(target=self._invoke, args=[buffer], name=f"invoke-{reader.shard_id}")
            for buffer in buffers
        ]

    def start(self) -> None:
        """Start the threads; the reading thread, which joins the others, is the last."""
        for thread in (*self._invoking, self._reading):
            thread.start()

    def join(self) -> None:
        """Wait until the threads have ended; `stopping` must be set, or the shard at its end."""
        self.wake()
        for thread in (self._reading, *self._invoking):
            thread.join()

    def wake(self) -> None:
        """Let the threads notice that `stopping` is set."""
        with self._changed:
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            while not (self._reader.finished or self._stopping.is_set()):
                self._wait_for_room()
                self._add(self._reader.read())
            self._close()
            for thread in self._invoking:
                thread.join()
            if not self._stopping.is_set():
                self._processor.close()
            if not self._stopping.is_set():
                self._listener.shard_end(self._reader)
        except Exception as error:  # noqa: BLE001  a thread's error would be lost
            self._listener.fail(error)

    def _invoke(self, buffer: BatchBuffer) -> None:
        try:
            while (batch := self._next_batch(buffer)) is not None:
                self._processor.process(batch)
        except Exception as error:  # noqa: BLE001  the same
            self._listener.fail(error)

    def _wait_for_room(self) -> None:
        with self._changed:
            while any(buffer.is_full for buffer in self._buffers) and not self._stopping.is_set():
                self._changed.wait()

    def _add(self, records: Sequence[StreamRecord]) -> None:
        additions: list[list[EncodedRecord]] = [[] for _ in self._buffers]
        filtered = []
        for record in records:
            if not self._accepts(record):
                filtered.append(record.sequence_number)
                continue
            place = zlib.crc32(record.partition_key.encode(errors="replace")) % len(additions)
            additions[place].append(self._encoder.encode(record))
        with self._changed:
            self._checkpoint.begin([record.sequence_number for record in records])
            for buffer, addition in zip(self._buffers, additions, strict=True):
                buffer.add(addition)
            self._advance(filtered)
            self._changed.notify_all()

    def _close(self) -> None:
        with self._changed:
            for buffer in self._buffers:
                buffer.close()
            self._changed.notify_all()

    def _next_batch(self, buffer: BatchBuffer) -> list[EncodedRecord] | None:
        """Wait for a buffer's next batch, or an empty one if something is due without records.

        Returns:
            None if there are no more.
        """
        with self._changed:
            buffer.open_window()
            while not (buffer.exhausted or self._stopping.is_set()):
                if batch := buffer.take():
                    self._changed.notify_all()
                    return batch
                due = self._processor.due_in()
                if due == 0:
                    return []
                waits = [wait for wait in (buffer.due_in(), due) if wait is not None]
                self._changed.wait(min(waits, default=None))
        return None

    def _finish(self, records: Sequence[EncodedRecord]) -> None:
        with self._changed:
            self._advance([encoded.record.sequence_number for encoded in records])

    def _advance(self, finished: Sequence[str]) -> None:
        checkpoint = self._checkpoint.finish(finished)
        if checkpoint is not None:
            self._listener.checkpoint(self._reader.shard_id, checkpoint)
