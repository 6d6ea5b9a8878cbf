"""Dead letters back on a stream: look through them, choose, deliver each once.

A letter is known by its event id and its data (whoever writes events by hand may use an id twice);
one without an id is known by its object's name and its line.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from streaming.dead_letters import DeadLetterRecord
from streaming.errors import DeadLettersUnreadable
from streaming.publisher import CALL_ENTRIES, Publisher
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.formats import entry_of, read_dead_letter_records
from streaming.storage import DeadLetterObjects

TIMEOUT_SECONDS = 60.0
"""How long letters are sent again that Kinesis refuses."""

DIGEST_DIGITS = 16

VALUES = re.compile(r" (?:is|with) .*|: .*|\d+", re.DOTALL)
"""What differs in the messages of errors of one kind."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; an empty one means all.

    Attributes:
        error_types: Such as `InvalidEvent`; none: any.
        shard_ids: Such as `shardId-000000000000`; none: any.
        since: The first arrival, aware of its time zone.
        until: The first arrival that is not meant any more.
    """

    error_types: frozenset[str] = frozenset()
    shard_ids: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, letter: DeadLetterRecord) -> bool:
        """Tell whether a letter is meant."""
        arrived_at = datetime.fromisoformat(letter.arrived_at)
        return (
            (not self.error_types or letter.error_type in self.error_types)
            and (not self.shard_ids or letter.shard_id in self.shard_ids)
            and (self.since is None or arrived_at >= self.since)
            and (self.until is None or arrived_at < self.until)
        )


@dataclass(slots=True)
class Kind:
    """Letters with the same thing wrong.

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
    """What lies in a place for dead letters.

    Attributes:
        objects: Names of the objects with letters that are meant, by their first arrival: that
            keeps each key's order, since an object holds letters of one batch of one shard.
        unreadable: Why, for each object that holds no dead letters.
        letters: All letters, doubles included.
        selected: Those that are meant, doubles left out.
        doubles: Letters that are meant and repeat another's event id.
        delivered: Those that are meant and were delivered earlier.
        kinds: Those that are meant, by error type and message without its values.
        streams: Where they came from.
    """

    objects: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    letters: int = 0
    selected: int = 0
    doubles: int = 0
    delivered: int = 0
    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)
    streams: set[str] = field(default_factory=set)

    def count(self, letter: DeadLetterRecord) -> None:
        """Count a letter that is meant."""
        self.selected += 1
        self.streams.add(letter.stream)
        key = (letter.error_type, VALUES.sub("…", letter.error_message))
        at = letter.arrived_at
        kind = self.kinds.setdefault(key, Kind(0, at, at, letter))
        kind.count += 1
        kind.first, kind.last = min(kind.first, at), max(kind.last, at)


@dataclass(slots=True)
class Delivery:
    """What a delivery came to.

    Attributes:
        delivered: Letters that Kinesis took now.
        unacceptable: Letters that Kinesis never takes, for their size or their partition key.
        deleted: Objects removed.
        failure: Why it ended before its end.
    """

    delivered: int = 0
    unacceptable: int = 0
    deleted: int = 0
    failure: str | None = None


def survey(
    objects: DeadLetterObjects,
    names: Sequence[str],
    selection: Selection,
    delivery_log: DeliveryLog,
    *,
    advance: Callable[[int], None] = lambda _count: None,
) -> Survey:
    """Look through objects and deliver nothing.

    Args:
        objects: The place.
        names: The objects.
        selection: Which letters are meant.
        delivery_log: What was delivered earlier.
        advance: Told after each object that one more is done.

    Raises:
        DeadLettersUnreadable: The place cannot be read.
    """
    found = Survey()
    seen: set[str] = set()
    order: dict[str, tuple[str, int]] = {}
    for name in names:
        content = objects.read(name)
        try:
            letters = read_dead_letter_records(content)
        except DeadLettersUnreadable as error:
            found.unreadable[name] = str(error)
            letters = []
        found.letters += len(letters)
        for letter_id, letter in _known(name, letters):
            if letter not in selection:
                continue
            order.setdefault(name, (letter.arrived_at, int(letter.sequence_number or 0)))
            if letter_id in seen:
                found.doubles += 1
                continue
            seen.add(letter_id)
            found.delivered += letter_id in delivery_log
            found.count(letter)
        advance(1)
    found.objects = sorted(order, key=order.__getitem__)
    return found


def deliver(
    objects: DeadLetterObjects,
    names: Sequence[str],
    selection: Selection,
    delivery_log: DeliveryLog,
    publisher: Callable[[str], Publisher],
    *,
    delete: bool = False,
    clock: Callable[[], float] = time.monotonic,
    advance: Callable[[int], None] = lambda _count: None,
) -> Delivery:
    """Put letters on a stream, each that the delivery_log does not hold, and note them there.

    It ends at the first letter that Kinesis refuses in spite of all patience: what comes behind it
    must not overtake it.

    Args:
        objects: The place.
        names: The objects, in this order.
        selection: Which of their letters are meant.
        delivery_log: What was delivered earlier; what is delivered now is added.
        publisher: Makes, for the stream that letters came from, what puts them on a stream, that
            one or another; its clock must be this one.
        delete: Remove each object of which every letter was delivered, now or earlier.
        clock: Seconds, from any origin, never going back.
        advance: Told how many letters were delivered since it was told last.

    Raises:
        DeadLettersUnreadable: An object cannot be read or deleted any more.
    """
    done = Delivery()
    publishers: dict[str, Publisher] = {}
    for name in names:
        letters = list(_known(name, read_dead_letter_records(objects.read(name))))
        # A dict: an event that stands in an object twice is delivered once.
        due = {i: letter for i, letter in letters if letter in selection and i not in delivery_log}
        waiting = iter(due.items())
        while some := list(islice(waiting, CALL_ENTRIES)):
            origin = some[0][1].stream  # an object's letters are of one stream
            if origin not in publishers:
                publishers[origin] = publisher(origin)
            entries = [entry_of(letter) for _, letter in some]
            published = publishers[origin].publish(entries, clock() + TIMEOUT_SECONDS)
            left = {*published.refused, *published.unacceptable}
            delivery_log.add(i for position, (i, _) in enumerate(some) if position not in left)
            done.delivered += published.accepted
            done.unacceptable += len(published.unacceptable)
            advance(published.accepted)
            if published.refused:
                done.failure = published.failure or "out of time"
                return done
        if delete and all(letter_id in delivery_log for letter_id, _ in letters):
            objects.delete(name)
            done.deleted += 1
    return done


def _known(
    name: str, letters: Sequence[DeadLetterRecord]
) -> Iterator[tuple[str, DeadLetterRecord]]:
    for number, letter in enumerate(letters, 1):
        if letter.event_id:
            digest = hashlib.sha256(letter.data.encode()).hexdigest()[:DIGEST_DIGITS]
            yield f"{letter.event_id} {digest}", letter
        else:
            yield f"{name} {number}", letter
