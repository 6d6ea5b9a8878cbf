"""The state of one batch on its way through the consumer, and its counts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streaming.consumer.records import UserRecord
from streaming.errors import Poison, ReconciliationError


@dataclass(slots=True)
class BatchCounts:
    """How many user records of a batch ended in which way, each counted where it happens.

    Attributes:
        received: User records in the batch; each entry of an aggregated record counts. One that
            came when time had run out is not read, and counts as one.
        published: Predictions that the output stream accepted (in a test run: returned).
        skipped: Events of an unrecognised event type.
        dead_lettered: User records that were written to the dead letters.
        failed: User records that are covered by the batch item failures.
        retried: How many times an entry of PutRecords was sent again.
        poison: User records that can never succeed: dead-lettered, or failed if that failed.
        not_started: User records that failed because time had run out, or an earlier one failed.
        resumed: User records that an earlier invocation finished; they are not received again.
    """

    received: int = 0
    published: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    failed: int = 0
    retried: int = 0
    poison: int = 0
    not_started: int = 0
    resumed: int = 0

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
        write_deadline: When the last write of dead letters must start.
        started_at: Seconds since the epoch.
        oldest_arrival: The earliest arrival of a user record, seconds since the epoch.
        counts: The batch counts.
        unknown_arrivals: User records whose arrival Lambda did not send.
        first: The first user record.
        overdue: The sequence number of an aggregated record of which some entries were
            dead-lettered as not finished.
        poison: Poison that is not dead-lettered yet.
        failed: Sequence numbers of records that Lambda must retry, each with the index of its first
            entry that failed.
        predictions: A test run's predictions.
        hot_key_calls: Calls of PutRecords that were made one after another for hot partition keys.
        publishing_stopped: Some user records failed; later ones must not overtake them.
        throttled: Kinesis refused entries until the deadline.
    """

    stream: str | None
    deadline: float
    write_deadline: float
    started_at: float
    oldest_arrival: float = math.inf
    counts: BatchCounts = field(default_factory=BatchCounts)
    unknown_arrivals: int = 0
    first: UserRecord | None = None
    overdue: str | None = None
    poison: list[tuple[UserRecord, Poison]] = field(default_factory=list)
    failed: dict[str | None, int] = field(default_factory=dict)
    predictions: list[Any] = field(default_factory=list)
    hot_key_calls: int = 0
    publishing_stopped: bool = False
    throttled: bool = False

    def fail(self, user_records: Iterable[UserRecord]) -> None:
        """Mark user records as failed."""
        failed = self.failed
        for user_record in user_records:
            self.counts.failed += 1
            number, index = user_record.sequence_number, user_record.index
            failed[number] = min(index, failed.get(number, index))

    def stop(self, user_records: Iterable[UserRecord]) -> None:
        """Mark user records as failed that no later one may overtake."""
        self.publishing_stopped = True
        self.fail(user_records)

    def lowest_failure(self) -> str | None:
        """Return the lowest sequence number that failed, compared as an integer.

        Returns:
            None if nothing failed, or if a failed record came without a number.
        """
        known = [number for number in self.failed if number is not None]
        return min(known, key=int) if known and len(known) == len(self.failed) else None

    def item_failures(self) -> list[dict[str, str | None]]:
        """Return `batchItemFailures`: where Lambda resumes.

        Returns:
            The lowest sequence number that failed; nothing if none did. The number is null, which
            fails the whole batch, if a failed record came without one.
        """
        return [{"itemIdentifier": self.lowest_failure()}] if self.failed else []
