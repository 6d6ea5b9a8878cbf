"""Records that were read from a shard, gathered into batches for the function.

A batching window begins when the invocation before it has ended, as AWS was observed to do: of a
window of 4 s, a record that arrives 3 s later waits 1 s. A window that ends without records is
followed by the next, so that no record waits longer than one window.
"""

from collections import deque
from collections.abc import Callable, Sequence

from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.invocation_event import (
    ENVELOPE_BYTES,
    PAYLOAD_BYTES,
    WINDOW_BYTES,
    EncodedRecord,
)


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
        reserved = WINDOW_BYTES if configuration.tumbling_window_in_seconds else 0
        self._limit = PAYLOAD_BYTES - reserved
        self._waiting: deque[EncodedRecord] = deque()
        self._bytes = 0
        self._window_start = clock()
        self._closed = False

    @property
    def exhausted(self) -> bool:
        """Whether the buffer is closed and empty."""
        return self._closed and not self._waiting

    @property
    def is_full(self) -> bool:
        """Whether two batches are waiting: reading more would only use memory."""
        return len(self._waiting) >= 2 * self._size or self._bytes >= 2 * self._limit

    def open_window(self) -> None:
        """Begin a batching window: an invocation has ended."""
        self._window_start = self._clock()

    def add(self, records: Sequence[EncodedRecord]) -> None:
        """Add records, in the shard's order."""
        if not self._waiting and self._window:
            elapsed = self._clock() - self._window_start
            self._window_start += elapsed // self._window * self._window
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
            or self._bytes + ENVELOPE_BYTES > self._limit
        ):
            return 0.0
        return max(self._window_start + self._window - self._clock(), 0.0)

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
            if batch and payload > self._limit:
                break
            batch.append(self._waiting.popleft())
        self._bytes -= sum(record.size for record in batch)
        return batch
