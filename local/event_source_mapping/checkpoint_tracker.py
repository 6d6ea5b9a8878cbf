"""A shard's checkpoint while several batches of it are processed concurrently."""

from collections import deque
from collections.abc import Sequence


class CheckpointTracker:
    """Tracks up to which record of a shard all are finished.

    With concurrent batches a later record may be finished before an earlier one; the checkpoint
    waits for the earlier one.
    """

    def __init__(self) -> None:
        self._unfinished: deque[str] = deque()
        self._finished_early: set[str] = set()

    def begin(self, sequence_numbers: Sequence[str]) -> None:
        """Add records that were read, in the shard's order."""
        self._unfinished.extend(sequence_numbers)

    def finish(self, sequence_numbers: Sequence[str]) -> str | None:
        """Mark records as finished.

        Returns:
            The new checkpoint, or None if it has not moved.
        """
        self._finished_early.update(sequence_numbers)
        checkpoint = None
        while self._unfinished and self._unfinished[0] in self._finished_early:
            checkpoint = self._unfinished.popleft()
            self._finished_early.remove(checkpoint)
        return checkpoint
