"""The books of one batch: every payload that came in must be seen to go out."""

from dataclasses import dataclass

from streaming.errors import ReconciliationError


@dataclass(slots=True)
class BatchCounts:
    """What became of a batch's user_records; each figure is counted where it happens.

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
    failed: int = 0
    retried: int = 0

    def check(self) -> None:
        """Compare the two sides.

        Raises:
            ReconciliationError: They differ, which only a bug can cause.
        """
        done = self.published + self.skipped + self.dead_lettered + self.failed
        if done != self.received:
            raise ReconciliationError(
                f"{done} user records went out of {self.received} received: {self}"
            )
