"""What is found out about one batch on its way through the consumer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streaming.accounts import Accounts
from streaming.errors import Poison
from streaming.records import Payload


@dataclass(slots=True)
class Batch:
    """One batch, and what became of it so far.

    Attributes:
        stream: Where it comes from, if its records say so.
        deadline: When publishing must end, on the consumer's clock.
        oldest: The first arrival of a payload, seconds since the epoch.
        accounts: The sums.
        poison: Payloads that can never succeed, and are not buried yet.
        undone: Sequence numbers that Lambda must be told of.
        answers: A test run's predictions.
        halted: Something was refused for good; what comes behind it must not overtake it.
    """

    stream: str | None
    deadline: float
    oldest: float
    accounts: Accounts = field(default_factory=Accounts)
    poison: list[tuple[Payload, Poison]] = field(default_factory=list)
    undone: set[str | None] = field(default_factory=set)
    answers: list[Any] = field(default_factory=list)
    halted: bool = False

    def report(self, payloads: Iterable[Payload]) -> None:
        """Note payloads that are not done."""
        for payload in payloads:
            self.accounts.reported += 1
            self.undone.add(payload.sequence_number)

    def checkpoint(self) -> list[dict[str, str | None]]:
        """Give what Lambda starts again from: the lowest sequence number, compared as an integer.

        Returns:
            `batchItemFailures`: nothing if all is done; null as the number, which fails the whole
            batch, if something that is not done came without one.
        """
        if not self.undone:
            return []
        known = [number for number in self.undone if number is not None]
        lowest = min(known, key=int) if len(known) == len(self.undone) else None
        return [{"itemIdentifier": lowest}]
