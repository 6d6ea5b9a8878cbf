"""The books of one batch: every payload that came in must be seen to go out."""

from dataclasses import dataclass

from streaming.errors import AccountingError


@dataclass(slots=True)
class Accounts:
    """What became of a batch's payloads; each figure is counted where it happens.

    Attributes:
        received: Payloads in the batch, each entry of an aggregate for itself.
        published: Predictions that the output stream accepted (in a test run: answered).
        skipped: Somebody else's events.
        dead_lettered: Payloads that the dead letters hold now.
        reported: Payloads that are not done, and that Lambda is told of.
        retried: How many times an entry of PutRecords was sent again.
    """

    received: int = 0
    published: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    reported: int = 0
    retried: int = 0

    def check(self) -> None:
        """Compare the two sides.

        Raises:
            AccountingError: They differ, which only a bug can cause.
        """
        done = self.published + self.skipped + self.dead_lettered + self.reported
        if done != self.received:
            raise AccountingError(f"{done} payloads went out of {self.received} received: {self}")
