"""What a folder or bucket of dead letters holds: select records and group them by error."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streaming.dead_letters import DeadLetterRecord
from streaming.errors import InvalidDeadLetter
from streaming.redrive.formats import (
    aggregated_record_id,
    position,
    read_dead_letter_records,
    stream_of_path,
)
from streaming.storage import Storage

DIGEST_DIGITS = 16

VALUES = re.compile(r" (?:is|with) .*|: .*|\d+", re.DOTALL)
"""The part of an error message that differs between errors of one kind."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead-letter records to process; by default all.

    Attributes:
        error_types: Such as `InvalidEvent`; empty: any.
        shard_ids: Such as `shardId-000000000000`; empty: any.
        since: The earliest arrival, timezone-aware.
        until: Arrivals before this time, timezone-aware.
    """

    error_types: frozenset[str] = frozenset()
    shard_ids: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, record: DeadLetterRecord) -> bool:
        """Return whether a record is selected."""
        arrived_at = datetime.fromisoformat(record.arrived_at)
        return (
            (not self.error_types or record.error_type in self.error_types)
            and (not self.shard_ids or record.shard_id in self.shard_ids)
            and (self.since is None or arrived_at >= self.since)
            and (self.until is None or arrived_at < self.until)
        )


@dataclass(slots=True)
class ErrorKind:
    """Dead-letter records with the same kind of error.

    Attributes:
        count: How many.
        first: The first arrival, ISO 8601 in UTC.
        last: The last arrival.
        example: One of them.
    """

    count: int
    first: str
    last: str
    example: DeadLetterRecord


@dataclass(slots=True)
class Survey:
    """The dead letters in a folder or bucket.

    Attributes:
        objects: Names of the objects with selected records, in order of arrival; those that hold
            entries of one aggregated record are together.
        unreadable: For each object without dead-letter records, the reason.
        records: All records, duplicates included.
        selected: Selected records, duplicates excluded.
        duplicates: Selected records that repeat another's id.
        delivered: Selected records that were delivered earlier.
        kinds: Selected records by error type and message without its values.
        streams: The streams they came from.
        misplaced: Selected records among the dead letters of one stream that name another one, by
            these two streams.
    """

    objects: list[list[str]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    records: int = 0
    selected: int = 0
    duplicates: int = 0
    delivered: int = 0
    kinds: dict[tuple[str, str], ErrorKind] = field(default_factory=dict)
    streams: set[str] = field(default_factory=set)
    misplaced: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, record: DeadLetterRecord) -> None:
        """Count a selected record."""
        self.selected += 1
        self.streams.add(record.stream)
        key = (record.error_type, VALUES.sub("…", record.error_message))
        at = record.arrived_at
        kind = self.kinds.setdefault(key, ErrorKind(0, at, at, record))
        kind.count += 1
        kind.first, kind.last = min(kind.first, at), max(kind.last, at)


def survey(
    storage: Storage,
    names: Sequence[str],
    selection: Selection,
    delivered: Container[str],
    *,
    location: str = "",
    advance: Callable[[int], None] = lambda _count: None,
) -> Survey:
    """Read objects and count their dead-letter records; deliver nothing.

    Args:
        storage: The folder or bucket.
        names: The objects.
        selection: Which records count.
        delivered: Ids of the records that were delivered earlier: the delivery log.
        location: The folder or bucket; it may end in the name of a stream.
        advance: Called with 1 after each object.

    Raises:
        StorageError: An object cannot be read.
    """
    found = Survey()
    seen: set[str] = set()
    objects = _Objects()
    for name in names:
        content = storage.read(name)
        try:
            records = read_dead_letter_records(content)
        except InvalidDeadLetter as error:
            found.unreadable[name] = str(error)
            records = []
        found.records += len(records)
        expected_stream = stream_of_path(f"{location.rstrip('/')}/{name}")
        for record_id, record in identified(name, records):
            if record not in selection:
                continue
            objects.add(name, record)
            if record_id in seen:
                found.duplicates += 1
                continue
            seen.add(record_id)
            found.delivered += record_id in delivered
            found.count(record)
            if expected_stream not in (None, record.stream):
                found.misplaced[expected_stream, record.stream] += 1
        advance(1)
    found.objects = objects.in_order()
    return found


class _Objects:
    """The objects of selected records, and which of them belong together."""

    def __init__(self) -> None:
        self._positions: dict[str, tuple[datetime, int, int]] = {}
        self._together: dict[str, list[str]] = {}  # by name; each list is that of all its names
        self._holders: dict[tuple[str, str], str] = {}  # by stream and aggregated record

    def add(self, name: str, record: DeadLetterRecord) -> None:
        """Add a record of an object."""
        self._positions.setdefault(name, position(record))
        names = self._together.setdefault(name, [name])
        parent = aggregated_record_id(record)
        if parent is None:
            return
        others = self._together[self._holders.setdefault((record.stream, parent), name)]
        if others is not names:
            others.extend(names)
            self._together.update(dict.fromkeys(names, others))

    def in_order(self) -> list[list[str]]:
        """Return the names by the position of their first record."""
        by_position = sorted(self._positions, key=self._positions.__getitem__)
        groups = {id(names): names for names in map(self._together.__getitem__, by_position)}
        return [sorted(names, key=self._positions.__getitem__) for names in groups.values()]


def identified(
    name: str, records: Sequence[DeadLetterRecord]
) -> Iterator[tuple[str, DeadLetterRecord]]:
    """Yield an object's records with their ids.

    A record is identified by its stream, event id and data (handmade events may repeat an event
    id); one without an event id by its stream, its object's name and its line.
    """
    for number, record in enumerate(records, 1):
        if record.event_id:
            digest = hashlib.sha256(base64.b64decode(record.data)).hexdigest()[:DIGEST_DIGITS]
            yield f"{record.stream} {record.event_id} {digest}", record
        else:
            yield f"{record.stream} {name} {number}", record
