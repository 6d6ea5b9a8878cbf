"""Between reading a shard and invoking the function: batches gathered, and what is finished."""

from collections import deque
from collections.abc import Callable, Sequence

from local.event_source_mapping.configuration import MappingConfiguration
from local.event_source_mapping.invocation_event import ENVELOPE_BYTES, PAYLOAD_BYTES, EncodedRecord


class BatchBuffer:
    """Gathers records into batches: BatchSize, the batching window and the payload's 6 MB.

    Args:
        settings: The mapping's parameters.
        clock: Seconds that only grow.
    """

    def __init__(self, settings: MappingConfiguration, clock: Callable[[], float]) -> None:
        self._size = settings.batch_size
        self._window = settings.maximum_batching_window_in_seconds
        self._clock = clock
        self._waiting: deque[EncodedRecord] = deque()
        self._bytes = 0
        self._gathering_since = 0.0
        self._closed = False

    @property
    def exhausted(self) -> bool:
        """Whether the buffer is closed and empty."""
        return self._closed and not self._waiting

    @property
    def is_full(self) -> bool:
        """Whether two batches wait, so that reading more would only fill the memory."""
        return len(self._waiting) >= 2 * self._size or self._bytes >= 2 * PAYLOAD_BYTES

    def add(self, records: Sequence[EncodedRecord]) -> None:
        """Take in records, in the shard's order."""
        if not self._waiting:
            self._gathering_since = self._clock()
        self._waiting.extend(records)
        self._bytes += sum(record.size for record in records)

    def close(self) -> None:
        """Note that no more records come: those that wait need not wait for others."""
        self._closed = True

    def due_in(self) -> float | None:
        """Return the seconds until a batch is due, or None while there are no records."""
        if not self._waiting:
            return None
        if (
            self._closed
            or len(self._waiting) >= self._size
            or self._bytes + ENVELOPE_BYTES > PAYLOAD_BYTES
        ):
            return 0.0
        return max(self._gathering_since + self._window - self._clock(), 0.0)

    def take(self) -> list[EncodedRecord]:
        """Return the next batch if one is due, else nothing.

        A record that alone is more than the payload's limit makes a batch of its own.
        """
        batch: list[EncodedRecord] = []
        if self.due_in() != 0.0:
            return batch
        payload = ENVELOPE_BYTES
        while self._waiting and len(batch) < self._size:
            payload += self._waiting[0].size
            if batch and payload > PAYLOAD_BYTES:
                break
            batch.append(self._waiting.popleft())
        self._bytes -= sum(record.size for record in batch)
        self._gathering_since = self._clock()
        return batch


class Progress:
    """A shard's checkpoint: up to which record everything is finished.

    With several lanes a later record may be finished before an earlier one; the checkpoint waits.
    """

    def __init__(self) -> None:
        self._unfinished: deque[str] = deque()
        self._ahead: set[str] = set()

    def begin(self, sequence_numbers: Sequence[str]) -> None:
        """Note records that have been read, in the shard's order."""
        self._unfinished.extend(sequence_numbers)

    def finish(self, sequence_numbers: Sequence[str]) -> str | None:
        """Note finished records.

        Returns:
            The new checkpoint, or None if it has not moved.
        """
        self._ahead.update(sequence_numbers)
        checkpoint = None
        while self._unfinished and self._unfinished[0] in self._ahead:
            checkpoint = self._unfinished.popleft()
            self._ahead.remove(checkpoint)
        return checkpoint
