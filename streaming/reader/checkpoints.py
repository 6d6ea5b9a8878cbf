"""Where reading a stream begins, how far it has come, and which shards may be read next.

A split or a merge closes parent shards and opens children. The records of one partition key then
continue in a child, so a child is read only when its parents are finished: both of them, after a
merge. That alone keeps each key's order across a reshard.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

IteratorType = Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER"]


@dataclass(frozen=True, slots=True)
class StartingPosition:
    """Where in a shard reading begins.

    `str` and `parse` are each other's inverse, so that a position can be kept as text: the
    iterator type's name, a timestamp in ISO 8601, or a sequence number.

    Attributes:
        iterator_type: AWS's ShardIteratorType.
        timestamp: In UTC; for AT_TIMESTAMP.
        sequence_number: For AFTER_SEQUENCE_NUMBER.
    """

    iterator_type: IteratorType
    timestamp: datetime | None = None
    sequence_number: str | None = None

    @staticmethod
    def at(timestamp: datetime) -> "StartingPosition":
        """Begin at the first record that arrived at or after a time (naive: taken as UTC)."""
        aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        return StartingPosition("AT_TIMESTAMP", timestamp=aware.astimezone(UTC))

    @staticmethod
    def after(sequence_number: str) -> "StartingPosition":
        """Begin right behind a record."""
        return StartingPosition("AFTER_SEQUENCE_NUMBER", sequence_number=sequence_number)

    @staticmethod
    def parse(text: str) -> "StartingPosition":
        """Read a position from its text.

        Raises:
            ValueError: It is none of the allowed texts.
        """
        named = {str(position): position for position in (TRIM_HORIZON, LATEST)}
        if text in named:
            return named[text]
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
        """Give the position's text."""
        if self.timestamp is not None:
            return self.timestamp.isoformat()
        return self.sequence_number or self.iterator_type

    def arguments(self) -> dict[str, Any]:
        """Give GetShardIterator's arguments for this position."""
        arguments: dict[str, Any] = {"ShardIteratorType": self.iterator_type}
        if self.timestamp is not None:
            arguments["Timestamp"] = self.timestamp
        if self.sequence_number is not None:
            arguments["StartingSequenceNumber"] = self.sequence_number
        return arguments


TRIM_HORIZON = StartingPosition("TRIM_HORIZON")
LATEST = StartingPosition("LATEST")
FINISHED = "FINISHED"
"""Saved in place of a position: the shard is closed and was read to its end."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and where it comes from.

    Attributes:
        shard_id: Its name within the stream.
        parents: None at a stream's birth, one after a split, two after a merge.
        closed: It was split or merged and takes no more records.
    """

    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


class Checkpoints:
    """How far each shard of a stream has been read, and which shards' turn it is.

    Whoever reads calls `update` with a fresh list of the shards and reads those it is given; notes
    each record by `advance`, and each closed shard's end by `finish`; and lists again after that.

    Args:
        start: Where to begin when nothing was saved. LATEST begins with the open shards; what a
            later reshard opens is read from its beginning.
        saved: What an earlier `save` gave; empty means nothing.
        now: The time of day.

    Raises:
        ValueError: `start` is a sequence number, or `saved` holds what `save` never gives.
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
                f"start is the sequence number {start}, which says nothing of other shards; "
                "allowed: TRIM_HORIZON, LATEST, a timestamp"
            )
        for text in (saved or {}).values():
            if text != FINISHED:
                StartingPosition.parse(text)
        self._start = start
        self._now = now
        self._resumed = bool(saved)
        self._begun: set[str] = set()
        self._positions = dict(saved or {})

    def update(self, shards: Iterable[Shard]) -> dict[str, StartingPosition]:
        """Take a new list of the stream's shards, and give out those whose turn has come.

        A parent that is not listed any more has expired, and counts as finished.

        Returns:
            Shard ids, each given out once, and where to begin with each.
        """
        listed = {shard.shard_id: shard for shard in shards}
        first = not self._resumed
        self._resumed = True
        # One that is being read stays even if it is not listed: a listing may lag behind.
        self._begun = {shard_id for shard_id in self._begun if not self._is_finished(shard_id)}
        self._positions = {
            shard_id: text
            for shard_id, text in self._positions.items()
            if shard_id in listed or shard_id in self._begun
        }
        for shard_id, shard in listed.items():
            self._positions.setdefault(shard_id, self._default(shard, first=first))
        turns = [
            shard_id
            for shard_id, shard in listed.items()
            if shard_id not in self._begun
            and not self._is_finished(shard_id)
            and all(self._is_finished(parent) for parent in shard.parents)
        ]
        self._begun.update(turns)
        if first and self._start == LATEST:
            return dict.fromkeys(turns, LATEST)
        return {shard_id: StartingPosition.parse(self._positions[shard_id]) for shard_id in turns}

    def advance(self, shard_id: str, sequence_number: str) -> None:
        """Note that a shard has been read up to and with a record."""
        self._positions[shard_id] = sequence_number

    def finish(self, shard_id: str) -> None:
        """Note that a closed shard has been read to its end."""
        self._positions[shard_id] = FINISHED

    def save(self) -> dict[str, str]:
        """Give every listed shard's position, to go on from later; JSON can hold it.

        Returns:
            By shard id: FINISHED, or the text of a `StartingPosition`.
        """
        return dict(self._positions)

    def _is_finished(self, shard_id: str) -> bool:
        return self._positions.get(shard_id, FINISHED) == FINISHED

    def _default(self, shard: Shard, *, first: bool) -> str:
        if self._start != LATEST:
            return str(self._start)
        if not first:
            return str(TRIM_HORIZON)
        # Saved as a time: LATEST would be a later moment when reading is taken up again.
        return FINISHED if shard.closed else str(StartingPosition.at(self._now()))
