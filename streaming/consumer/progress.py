"""How far this execution environment got in records that it could not finish in one invocation.

Lambda resumes at whole Kinesis records, but an aggregated record can hold more entries than an
invocation can finish. The next invocation of the environment leaves out those that are done, so
that each one makes progress.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

RECORDS = 100
"""Unfinished records that are remembered: more than the shards that one environment serves."""


class Done(NamedTuple):
    """How far a Kinesis record was processed.

    Attributes:
        entries: How many of its entries are done, from the first.
        overdue: Whether the last of them were dead-lettered as not finished; then those behind
            them must follow, or they would be predicted first.
    """

    entries: int = 0
    overdue: bool = False


NOTHING = Done()


class Progress:
    """Remembers the entries that are done of unfinished Kinesis records."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str, int] | None, Done] = {}

    def resume(self, records: Sequence[Any]) -> Done:
        """Return what earlier invocations did of a batch's first record.

        It stays remembered until `update`: an invocation can end with an exception.
        """
        if not self._done or not records:  # nearly always
            return NOTHING
        return self._done.get(_identity(records[0]), NOTHING)

    def update(self, records: Sequence[Any], unfinished: str | None, done: Done) -> None:
        """Forget a batch's first record, and remember the one that is not finished.

        Args:
            records: The Kinesis records of the batch.
            unfinished: The lowest sequence number that failed; None if there is none.
            done: What is done of that record.
        """
        if self._done and records:
            self._done.pop(_identity(records[0]), None)
        if unfinished is None or done.entries == 0:
            return
        identities = map(_identity, records)
        identity = next((each for each in identities if each and each[1] == unfinished), None)
        if identity is not None:
            self._done[identity] = done
        if len(self._done) > RECORDS:
            del self._done[next(iter(self._done))]


def _identity(record: Any) -> tuple[str, str, int] | None:
    """Return the record's stream, its sequence number and the hash of its data.

    The data too, since a stream that was deleted and created again can repeat its numbers.
    """
    try:
        kinesis = record["kinesis"]
        identity = record["eventSourceARN"], kinesis["sequenceNumber"], hash(kinesis["data"])
        hash(identity)  # raises if a part is not hashable
    except (KeyError, TypeError):
        return None
    return identity
