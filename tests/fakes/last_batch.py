"""Telemetry whose counts a test can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streaming.consumer.telemetry import Telemetry

if TYPE_CHECKING:
    from streaming.consumer.batch import BatchCounts


class LastBatch(Telemetry):
    """Telemetry that keeps the last batch's counts."""

    counts: BatchCounts

    def batch(self, counts: BatchCounts, **rest: Any) -> None:
        self.counts = counts
        super().batch(counts, **rest)
