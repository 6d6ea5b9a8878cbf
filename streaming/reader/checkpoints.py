"""Starting positions, checkpoints, and which shards to read next.

A split or merge closes the parent shards and opens child shards, where the records of a partition
key continue. A child shard is therefore read only after the shard end of its parent shards (after a
merge, of both). This keeps the order of each partition key across a reshard.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

IteratorType = Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER"]


@dataclass(frozen=True, slots=True)
class StartingPosition:
    """Where to start reading a shard.

    A position can be stored as text: `str` writes it, `parse` reads it. The text is TRIM_HORIZON,
    LATEST, a timestamp in ISO 8601, or a sequence number.

    Attributes:
        iterator_type: The ShardIteratorType of GetShardIterator.
        timestamp: In UTC; only for AT_TIMESTAMP.
        sequence_number: Only for AFTER_SEQUENCE_NUMBER.
    """

    iterator_type: IteratorType
    timestamp: datetime | None = None
    sequence_number: str | None = None

    @staticmethod
    def at(timestamp: datetime) -> "StartingPosition":
        """Start at the first record that arrived at or after a timestamp (UTC if naive)."""
        aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        return StartingPosition("AT_TIMESTAMP", timestamp=aware.astimezone(UTC))

    @staticmethod
    def after(sequence_number: str) -> "StartingPosition":
        """Start after a record."""
        return StartingPosition("AFTER_SEQUENCE_NUMBER", sequence_number=sequence_number)

    @staticmethod
    def parse(text: str) -> "StartingPosition":
        """Parse a position.

        Raises:
            ValueError: The text is not a position.
        """
        for position in (TRIM_HORIZON, LATEST):
            if text == position.iterator_type:
                return position
        if text.isascii() and text.isdigit():
            return StartingPosition.after(text)
        try:
            return StartingPosition.at(datetime.fromisoformat(text))
        except ValueError:
            raise ValueError(
                f"starting position is {text!r}; allowed: TRIM_HORIZON, LATEST, "
                "an ISO 8601 timestamp, a sequence number"
            ) from None

    def __str__(self) -> str:
        """Return the position as text."""
        if self.timestamp is not None:
            return self.timestamp.isoformat()
        return self.sequence_number or self.iterator_type

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of GetShardIterator for this position."""
        arguments: dict[str, Any] = {"ShardIteratorType": self.iterator_type}
        if self.timestamp is not None:
            arguments["Timestamp"] = self.timestamp
        if self.sequence_number is not None:
            arguments["StartingSequenceNumber"] = self.sequence_number
        return arguments


TRIM_HORIZON = StartingPosition("TRIM_HORIZON")
LATEST = StartingPosition("LATEST")
FINISHED = "FINISHED"
"""The checkpoint of a shard that was read to its shard end."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and its parents.

    Attributes:
        shard_id: The shard's id.
        parents: Ids of the parent shards: one after a split, two after a merge, otherwise none.
        closed: The shard was split or merged and accepts no more records.
    """

    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


class Checkpoints:
    """The checkpoints of a stream's shards, and which shards to read next.

    A reader calls `update` with the listed shards and starts reading those it returns. It calls
    `advance` after each record and `finish` at each shard end, and then lists the shards again.

    Args:
        start: The starting position if there are no checkpoints. LATEST starts with the open
            shards; child shards of a later reshard are read from their beginning.
        saved: Checkpoints that `save` returned earlier; None or empty if there are none. Shards
            without a checkpoint are newer, and are read from their beginning.
        now: The current time.

    Raises:
        ValueError: `start` is a sequence number, or `saved` holds an invalid checkpoint.
    """

    def __init__(
        self,
        start: StartingPosition = TRIM_HORIZON,
        saved: Mapping[str, str] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if start.sequence_number is not None:
            raise ValueError(
                f"start is the sequence number {start}, which is valid in one shard only; "
                "allowed: TRIM_HORIZON, LATEST, a timestamp"
            )
        for text in (saved or {}).values():
            if text != FINISHED:
                StartingPosition.parse(text)
        self._start = TRIM_HORIZON if saved else start
        self._now = now
        self._first = True  # no shards were listed yet
        self._reading: set[str] = set()  # shards that `update` returned and that are not finished
        self._checkpoints = dict(saved or {})

    def update(self, shards: Iterable[Shard]) -> dict[str, StartingPosition]:
        """Update the list of shards; return those to start reading now.

        A parent shard that is no longer listed has expired and counts as finished.

        Returns:
            The starting position by shard id. Each shard is returned once.
        """
        listed = {shard.shard_id: shard for shard in shards}
        first, self._first = self._first, False
        # A shard that is being read is kept even if it is not listed: ListShards may lag behind.
        self._reading = {shard_id for shard_id in self._reading if not self._is_finished(shard_id)}
        self._checkpoints = {
            shard_id: checkpoint
            for shard_id, checkpoint in self._checkpoints.items()
            if shard_id in listed or shard_id in self._reading
        }
        for shard_id, shard in listed.items():
            self._checkpoints.setdefault(shard_id, self._initial(shard, first=first))
        ready = [
            shard_id
            for shard_id, shard in listed.items()
            if shard_id not in self._reading
            and not self._is_finished(shard_id)
            and all(self._is_finished(parent) for parent in shard.parents)
        ]
        self._reading.update(ready)
        if first and self._start == LATEST:
            return dict.fromkeys(ready, LATEST)
        return {shard_id: StartingPosition.parse(self._checkpoints[shard_id]) for shard_id in ready}

    def advance(self, shard_id: str, sequence_number: str) -> None:
        """Checkpoint a shard after a record."""
        self._checkpoints[shard_id] = sequence_number

    def finish(self, shard_id: str) -> None:
        """Checkpoint a closed shard at its shard end."""
        self._checkpoints[shard_id] = FINISHED

    def save(self) -> dict[str, str]:
        """Return the checkpoints, to resume from later; they can be encoded as JSON.

        Returns:
            FINISHED or a `StartingPosition` as text, by shard id.
        """
        return dict(self._checkpoints)

    def _is_finished(self, shard_id: str) -> bool:
        return self._checkpoints.get(shard_id, FINISHED) == FINISHED

    def _initial(self, shard: Shard, *, first: bool) -> str:
        """Return the checkpoint of a shard that has none, `first` if this is the first update."""
        if self._start != LATEST:
            return str(self._start)
        if not first:
            return str(TRIM_HORIZON)
        # A timestamp: on resuming, LATEST would mean a later time and skip records.
        return FINISHED if shard.closed else str(StartingPosition.at(self._now()))
