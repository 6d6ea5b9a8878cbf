"""One shard's threads: one reads, and one for each concurrent batch invokes the function."""

import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

from local.event_source_mapping.batch_buffer import BatchBuffer, Progress
from local.event_source_mapping.batch_processor import BatchProcessor
from local.event_source_mapping.invocation_event import EncodedRecord, EventEncoder
from streaming.reader.shard_reader import ShardReader, StreamRecord

Finished = Callable[[Sequence[EncodedRecord]], None]


class ShardOwner(Protocol):
    """Who is told what becomes of a shard; called from the shard's threads."""

    def advance(self, shard_id: str, sequence_number: str) -> None:
        """Every record up to and with this one is finished."""

    def end(self, reader: ShardReader) -> None:
        """The closed shard was read to its end and every record of it is finished."""

    def fail(self, error: Exception) -> None:
        """Something happened that no retry mends."""


class ShardWorker:
    """Reads one shard to its end and has every record processed.

    Records are spread over lanes by their partition key: lanes run side by side, and the records
    of one key stay in order in their lane.

    Args:
        reader: Reads the shard.
        encoder: Writes a record as Lambda's event has it.
        lanes: A buffer for each concurrent batch.
        new_processor: Makes what processes a batch, given who is told of finished records.
        owner: Told what becomes of the shard.
        stopping: Set when the mapping stops.
    """

    def __init__(
        self,
        reader: ShardReader,
        encoder: EventEncoder,
        lanes: Sequence[BatchBuffer],
        new_processor: Callable[[Finished], BatchProcessor],
        *,
        owner: ShardOwner,
        stopping: threading.Event,
    ) -> None:
        self._reader = reader
        self._encoder = encoder
        self._lanes = lanes
        self._processor = new_processor(self._finish)
        self._owner = owner
        self._stopping = stopping
        self._changed = threading.Condition()
        self._progress = Progress()
        self._reading = threading.Thread(target=self._read, name=f"read-{reader.shard_id}")
        self._invoking = [
            threading.Thread(target=self._invoke, args=[lane], name=f"invoke-{reader.shard_id}")
            for lane in lanes
        ]

    def start(self) -> None:
        """Start the threads, the one that joins the others last."""
        for thread in (*self._invoking, self._reading):
            thread.start()

    def join(self) -> None:
        """Wait until the threads have ended; `stopping` must be set, or the shard at its end."""
        self.wake()
        for thread in (self._reading, *self._invoking):
            thread.join()

    def wake(self) -> None:
        """Let the threads see that `stopping` is set."""
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
                self._owner.end(self._reader)
        except Exception as error:  # noqa: BLE001  a thread's error would be lost
            self._owner.fail(error)

    def _invoke(self, lane: BatchBuffer) -> None:
        try:
            while batch := self._next_batch(lane):
                self._processor.process(batch)
        except Exception as error:  # noqa: BLE001  the same
            self._owner.fail(error)

    def _wait_for_room(self) -> None:
        with self._changed:
            while any(lane.is_full for lane in self._lanes) and not self._stopping.is_set():
                self._changed.wait()

    def _add(self, records: Sequence[StreamRecord]) -> None:
        spread: list[list[EncodedRecord]] = [[] for _ in self._lanes]
        for record in records:
            place = zlib.crc32(record.partition_key.encode(errors="replace")) % len(spread)
            spread[place].append(self._encoder.encode(record))
        with self._changed:
            self._progress.begin([record.sequence_number for record in records])
            for lane, mine in zip(self._lanes, spread, strict=True):
                lane.add(mine)
            self._changed.notify_all()

    def _close(self) -> None:
        with self._changed:
            for lane in self._lanes:
                lane.close()
            self._changed.notify_all()

    def _next_batch(self, lane: BatchBuffer) -> list[EncodedRecord]:
        """Wait for a lane's next batch; nothing means that there is none any more."""
        with self._changed:
            while not (lane.exhausted or self._stopping.is_set()):
                if batch := lane.take():
                    self._changed.notify_all()
                    return batch
                self._changed.wait(lane.due_in())
        return []

    def _finish(self, records: Sequence[EncodedRecord]) -> None:
        numbers = [encoded.record.sequence_number for encoded in records]
        with self._changed:
            checkpoint = self._progress.finish(numbers)
            if checkpoint is not None:
                self._owner.advance(self._reader.shard_id, checkpoint)
