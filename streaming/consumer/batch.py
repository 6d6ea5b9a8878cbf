"""What is found out about one batch on its way through the consumer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streaming.consumer.batch_counts import BatchCounts
from streaming.consumer.records import UserRecord
from streaming.errors import Poison


@dataclass(slots=True)
class Batch:
    """One batch, and what became of it so far.

    Attributes:
        stream: Where it comes from, if its records say so.
        deadline: When publishing must end, on the consumer's clock.
        oldest: The first arrival of a payload, seconds since the epoch.
        counts: The sums.
        poison: Payloads that can never succeed, and are not dead_lettered yet.
        failed: Sequence numbers that Lambda must be told of.
        answers: A test run's predictions.
        publishing_stopped: Something was refused for good; nothing may
            overtake it.
    """

    stream: str | None
    deadline: float
    oldest: float
    counts: BatchCounts = field(default_factory=BatchCounts)
    poison: list[tuple[UserRecord, Poison]] = field(default_factory=list)
    failed: set[str | None] = field(default_factory=set)
    answers: list[Any] = field(default_factory=list)
    publishing_stopped: bool = False

    def report(self, user_records: Iterable[UserRecord]) -> None:
        """Note user_records that are not done."""
        for payload in user_records:
            self.counts.failed += 1
            self.failed.add(payload.sequence_number)

    def checkpoint(self) -> list[dict[str, str | None]]:
        """Give what Lambda starts again from: the lowest sequence number, compared as an integer.

        Returns:
            `batchItemFailures`: nothing if all is done; null as the number, which fails the whole
            batch, if something that is not done came without one.
        """
        if not self.failed:
            return []
        known = [number for number in self.failed if number is not None]
        lowest = min(known, key=int) if len(known) == len(self.failed) else None
        return [{"itemIdentifier": lowest}]
