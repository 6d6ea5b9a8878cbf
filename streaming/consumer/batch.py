"""The state of one batch on its way through the consumer, and its counts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streaming.consumer.records import UserRecord
from streaming.errors import Poison, ReconciliationError


@dataclass(slots=True)
class BatchCounts:
    """How many user records of a batch ended in which way, each counted where it happens.

    Attributes:
        received: User records in the batch; each entry of an aggregated record counts.
        published: Predictions that the output stream accepted (in a test run: returned).
        skipped: Events of an unrecognised event type.
        dead_lettered: User records that were written to the dead letters.
        failed: User records that are covered by the batch item failures.
        retried: How many times an entry of PutRecords was sent again.
    """

    received: int = 0
    published: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    failed: int = 0
    retried: int = 0

    def reconcile(self) -> None:
        """Check that every user record is accounted for.

        Raises:
            ReconciliationError: The counts do not add up, which only a bug can cause.
        """
        accounted = self.published + self.skipped + self.dead_lettered + self.failed
        if accounted != self.received:
            raise ReconciliationError(
                f"{accounted} user records accounted for, {self.received} received: {self}"
            )


@dataclass(slots=True)
class Batch:
    """One batch and its progress.

    Attributes:
        stream: The input stream, if the records name it.
        deadline: When publishing must end, on the consumer's clock.
        oldest_arrival: The earliest arrival of a user record, seconds since the epoch.
        counts: The batch counts.
        poison: Poison that is not dead-lettered yet.
        failed: Sequence numbers of records that Lambda must retry.
        predictions: A test run's predictions.
        hot_key_calls: Calls of PutRecords that were made one after another for hot partition keys.
        publishing_stopped: Entries were refused until the deadline; later ones must not overtake
            them.
    """

    stream: str | None
    deadline: float
    oldest_arrival: float
    counts: BatchCounts = field(default_factory=BatchCounts)
    poison: list[tuple[UserRecord, Poison]] = field(default_factory=list)
    failed: set[str | None] = field(default_factory=set)
    predictions: list[Any] = field(default_factory=list)
    hot_key_calls: int = 0
    publishing_stopped: bool = False

    def fail(self, user_records: Iterable[UserRecord]) -> None:
        """Mark user records as failed."""
        for user_record in user_records:
            self.counts.failed += 1
            self.failed.add(user_record.sequence_number)

    def item_failures(self) -> list[dict[str, str | None]]:
        """Return `batchItemFailures`: where Lambda resumes.

        Returns:
            The lowest sequence number that failed, compared as an integer; nothing if none did.
            The number is null, which fails the whole batch, if a failed record came without one.
        """
        if not self.failed:
            return []
        known = [number for number in self.failed if number is not None]
        lowest = min(known, key=int) if len(known) == len(self.failed) else None
        return [{"itemIdentifier": lowest}]
