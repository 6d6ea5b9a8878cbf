"""An event source mapping's metrics."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Count = Literal[
    "invocations",
    "function_errors",
    "partial_failures",
    "service_errors",
    "retries",
    "bisects",
    "records_done",
    "records_discarded",
    "records_filtered",
    "destination_failures",
]


@dataclass(frozen=True, slots=True)
class MappingSnapshot:
    """An event source mapping's metrics since its start.

    Attributes:
        invocations: Of the function, retries included.
        function_errors: Invocations that failed: an exception, a crash, a timeout.
        partial_failures: Invocations whose response has batch item failures.
        service_errors: Times that the function could not be invoked.
        retries: Batches retried after a failure.
        bisects: Batches split in two after a failure.
        records_done: Records that the function processed.
        records_discarded: Records discarded: retries exhausted, or too old.
        records_filtered: Records that match no filter.
        destination_failures: Times that the on-failure destination could not be written.
        iterator_age_ms: Age of the last record in a shard's latest batch, in milliseconds; the
            maximum over the shards being read; None before the first batch.
        checkpoints: By shard: the sequence number up to which all records are done or discarded.
    """

    invocations: int
    function_errors: int
    partial_failures: int
    service_errors: int
    retries: int
    bisects: int
    records_done: int
    records_discarded: int
    records_filtered: int
    destination_failures: int
    iterator_age_ms: float | None
    checkpoints: Mapping[str, str]


class MappingMetrics:
    """Collects metrics; several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Count] = Counter()
        self._ages: dict[str, float] = {}

    def add(self, count: Count, number: int = 1) -> None:
        """Increase a count."""
        with self._lock:
            self._counts[count] += number

    def set_iterator_age(self, shard_id: str, milliseconds: float) -> None:
        """Set the age of the last record in a shard's latest batch."""
        with self._lock:
            self._ages[shard_id] = milliseconds

    def forget_shard(self, shard_id: str) -> None:
        """Remove a finished shard from the iterator age."""
        with self._lock:
            self._ages.pop(shard_id, None)

    def snapshot(self, checkpoints: Mapping[str, str]) -> MappingSnapshot:
        """Return all metrics at one moment."""
        with self._lock:
            return MappingSnapshot(
                **{count: self._counts[count] for count in get_args(Count)},
                iterator_age_ms=max(self._ages.values(), default=None),
                checkpoints=checkpoints,
            )
