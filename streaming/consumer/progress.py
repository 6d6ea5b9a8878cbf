"""How far this execution environment got in records that it could not finish in one invocation.

Lambda resumes at whole Kinesis records, but an aggregated record can hold more entries than an
invocation can finish. The next invocation of the environment leaves out those that are done, so
that each one makes progress.
"""

from collections.abc import Sequence
from typing import Any

RECORDS = 100
"""Unfinished records that are remembered: more than the shards that one environment serves."""


class Progress:
    """Remembers the entries that are done of unfinished Kinesis records."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str, int] | None, int] = {}

    def resume(self, records: Sequence[Any]) -> int:
        """Return how many entries of a batch's first record an earlier invocation finished."""
        if not self._done or not records:  # nearly always
            return 0
        return self._done.pop(_identity(records[0]), 0)

    def remember(self, records: Sequence[Any], sequence_number: str, done: int) -> None:
        """Remember a record that is not finished.

        Args:
            records: The Kinesis records of the batch.
            sequence_number: The record's.
            done: How many of its entries are done, from the first.
        """
        if done == 0:
            return
        identities = map(_identity, records)
        identity = next((each for each in identities if each and each[1] == sequence_number), None)
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
