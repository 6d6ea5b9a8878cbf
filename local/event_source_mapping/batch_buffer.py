"""Records that were read from a shard, gathered into batches for the function."""

from collections import deque
from collections.abc import Callable, Sequence

from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.invocation_event import ENVELOPE_BYTES, PAYLOAD_BYTES, EncodedRecord


class BatchBuffer:
    """Gathers records into batches: BatchSize, the batching window and the payload's 6 MB.

    Args:
        configuration: The mapping's configuration.
        clock: Monotonic seconds.
    """

    def __init__(
        self, configuration: EventSourceMappingConfiguration, clock: Callable[[], float]
    ) -> None:
        self._size = configuration.batch_size
        self._window = configuration.maximum_batching_window_in_seconds
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
        """Whether two batches are waiting: reading more would only use memory."""
        return len(self._waiting) >= 2 * self._size or self._bytes >= 2 * PAYLOAD_BYTES

    def add(self, records: Sequence[EncodedRecord]) -> None:
        """Add records, in the shard's order."""
        if not self._waiting:
            self._gathering_since = self._clock()
        self._waiting.extend(records)
        self._bytes += sum(record.size for record in records)

    def close(self) -> None:
        """Mark the end of the records: those that wait need not wait for more."""
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
        """Return the next batch if one is due, else an empty list.

        A record that exceeds the payload limit by itself is a batch of its own.
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
