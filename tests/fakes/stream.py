"""A stream in memory: shards and records, resharding and expiry."""

from __future__ import annotations

import hashlib
import itertools
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.clock import Clock

HASH_KEYS = 2**128
RETENTION_SECONDS = 24 * 3600
# The third record's number has one digit more than the second's: as text it sorts first.
FIRST_SEQUENCE_NUMBER = 10**56 - 2


@dataclass(frozen=True, slots=True)
class Record:
    """A record; `arrived` is in seconds on the clock."""

    number: int
    partition_key: str
    data: bytes
    arrived: float


@dataclass(slots=True)
class Shard:
    """A shard: its hash key range, parents, children and records.

    Attributes:
        last_number: The stream's newest sequence number when the shard was closed.
        closed_at: When that was, on the clock; None while it is open.
        reads: When GetRecords was called within the last second.
    """

    shard_id: str
    hashes: range
    parents: tuple[str, ...]
    first_number: int
    records: list[Record] = field(default_factory=list)
    children: list[Shard] = field(default_factory=list)
    last_number: int | None = None
    closed_at: float | None = None
    reads: deque[float] = field(default_factory=deque)


class Stream:
    """A stream of `shard_count` shards, which keeps its records for a day."""

    def __init__(self, clock: Clock, shard_count: int) -> None:
        self.shards: dict[str, Shard] = {}
        self.newest = FIRST_SEQUENCE_NUMBER - 1
        self.created = clock.utc()
        self._clock = clock
        self._opened = 0
        bounds = [HASH_KEYS * number // shard_count for number in range(shard_count + 1)]
        for first, after in itertools.pairwise(bounds):
            self._open(range(first, after))

    def append(
        self, partition_key: str, data: bytes, explicit_hash_key: str | None
    ) -> tuple[str, int]:
        """Append a record; return its shard and its sequence number."""
        md5 = hashlib.md5(partition_key.encode(errors="replace"), usedforsecurity=False).hexdigest()
        hash_key = int(explicit_hash_key) if explicit_hash_key else int(md5, 16)
        shard = next(s for s in self.open_shards() if s.hashes.start <= hash_key < s.hashes.stop)
        self.newest += 1
        shard.records.append(Record(self.newest, partition_key, data, self._clock.now()))
        return shard.shard_id, self.newest

    def open_shards(self) -> list[Shard]:
        """Return the open shards, in the order of their hash keys."""
        shards = (shard for shard in self.shards.values() if shard.closed_at is None)
        return sorted(shards, key=lambda shard: shard.hashes.start)

    def split(self, shard: Shard, cut: int) -> None:
        """Close a shard; one child gets the hash keys below the cut, the other the rest."""
        self._close(shard)
        self._open(range(shard.hashes.start, cut), shard)
        self._open(range(cut, shard.hashes.stop), shard)

    def merge(self, shard: Shard, adjacent: Shard) -> None:
        """Close two adjacent shards; one child gets the hash keys of both.

        Raises:
            ValueError: They are not adjacent.
        """
        lower, upper = sorted((shard, adjacent), key=lambda parent: parent.hashes.start)
        if lower.hashes.stop != upper.hashes.start:
            raise ValueError("not adjacent")
        self._close(shard)
        self._close(adjacent)
        self._open(range(lower.hashes.start, upper.hashes.stop), shard, adjacent)

    def expire(self) -> None:
        """Drop records and closed shards that are older than the retention period."""
        horizon = self._clock.now() - RETENTION_SECONDS
        for shard in list(self.shards.values()):
            del shard.records[: bisect_left(shard.records, horizon, key=lambda r: r.arrived)]
            if shard.closed_at is not None and shard.closed_at < horizon:
                del self.shards[shard.shard_id]

    def _open(self, hashes: range, *parents: Shard) -> None:
        shard = Shard(
            shard_id=f"shardId-{self._opened:012}",
            hashes=hashes,
            parents=tuple(parent.shard_id for parent in parents),
            first_number=self.newest + 1,
        )
        self._opened += 1
        self.shards[shard.shard_id] = shard
        for parent in parents:
            parent.children.append(shard)

    def _close(self, shard: Shard) -> None:
        shard.closed_at = self._clock.now()
        shard.last_number = self.newest
