"""The soak's bookkeeping: what had to become of every event, and what did.

The input stream itself says which events there were: an event's id is its place on that stream. A
producer that puts a record twice, because it was told to or because the first answer got lost, has
made two events, with two ids; both must be answered. A reader who wants one answer for each ride
takes the last one by `ride_id`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streaming.reader.checkpoints import FINISHED
from tests.soak.workload import Good, KinesisRecord, Poisoned


class Arrived(NamedTuple):
    """A record as it stands on the input stream.

    Attributes:
        shard_id: Its shard.
        sequence_number: Its place there.
        data: Its bytes.
    """

    shard_id: str
    sequence_number: str
    data: bytes


class Answer(NamedTuple):
    """A prediction as its reader got it.

    Attributes:
        event_id: The event it answers; None from a function that does not say.
        ride_id: The ride it is for.
    """

    event_id: str | None
    ride_id: int


class PutRecordsLog:
    """Remembers what was put, by its bytes; equal bytes have equal outcomes."""

    def __init__(self) -> None:
        self.by_digest: dict[bytes, KinesisRecord] = {}

    def add(self, kinesis_records_of: Iterable[KinesisRecord]) -> None:
        """Note what Kinesis has accepted."""
        for record in kinesis_records_of:
            self.by_digest[_digest(record.data)] = record


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@dataclass(slots=True)
class Expected:
    """What must become of the events on the input stream.

    Attributes:
        rides: Event id to ride id: these must be predicted.
        poison: Event id to payload: these must be dead letters.
        foreign: How many events are somebody else's.
        repeated: Records with a ride's event that stand on the stream before.
        order: Ride id to its event ids in the order of the stream.
        missing: Records that Kinesis accepted and that are not on the stream.
        strangers: Records on the stream that nobody put.
        last: Shard id to the sequence number of its last record.
    """

    rides: dict[str, int] = field(default_factory=dict)
    poison: dict[str, Poisoned] = field(default_factory=dict)
    foreign: int = 0
    repeated: int = 0
    order: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    missing: int = 0
    strangers: int = 0
    last: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """How many events are on the stream."""
        return len(self.rides) + len(self.poison) + self.foreign


def expect(stream: Iterable[Arrived], put: PutRecordsLog) -> Expected:
    """Tell from the input stream what must become of every event on it.

    Args:
        stream: Its records. One partition key's are in order; a reshard's parents come before
            their children.
        put: What the producer got accepted.
    """
    expected = Expected()
    seen: set[bytes] = set()
    for record in stream:
        expected.last[record.shard_id] = record.sequence_number
        digest = _digest(record.data)
        sent = put.by_digest.get(digest)
        if sent is None:
            expected.strangers += 1
            continue
        if digest in seen and any(isinstance(each, Good) for each in sent.outcomes):
            expected.repeated += 1
        seen.add(digest)
        event_id = f"{record.shard_id}:{record.sequence_number}"
        for index, outcome in enumerate(sent.outcomes):
            payload_id = f"{event_id}:{index}" if sent.indexed else event_id
            if isinstance(outcome, Good):
                expected.rides[payload_id] = outcome.ride_id
                expected.order[outcome.ride_id].append(payload_id)
            elif isinstance(outcome, Poisoned):
                expected.poison[payload_id] = outcome
            else:
                expected.foreign += 1
    expected.missing = len(put.by_digest.keys() - seen)
    return expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the soak found.

    Attributes:
        predicted: Events of rides whose prediction the reader got.
        dead: Poison that is among the dead letters, with its own bytes.
        lost: Events of rides without a prediction, poison without a dead letter, and records that
            Kinesis accepted and that are not on the stream.
        out_of_order: Predictions of one ride that the reader got behind a later event's.
        delivered_twice: Predictions that the reader got again.
        wrong: Predictions of no such event or of another ride, and dead letters that are no poison
            or hold other bytes.
    """

    predicted: int
    dead: int
    lost: int
    out_of_order: int
    delivered_twice: int
    wrong: int

    @property
    def passed(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.out_of_order or self.delivered_twice or self.wrong)


def judge(expected: Expected, answers: Sequence[Answer], dead: Mapping[str, bytes]) -> Verdict:
    """Compare what became of every event with what had to.

    Args:
        expected: What had to.
        answers: Predictions in the order in which the reader got them.
        dead: The dead letters' payloads by event id.
    """
    places: dict[str, int] = {}
    wrong = expected.strangers
    for place, answer in enumerate(answers):
        if answer.event_id is None or expected.rides.get(answer.event_id) != answer.ride_id:
            wrong += 1
        else:
            places.setdefault(answer.event_id, place)
    good = sum(expected.rides.get(each.event_id or "") == each.ride_id for each in answers)
    dead_lettered = {
        event_id
        for event_id, data in dead.items()
        if event_id in expected.poison and expected.poison[event_id].data == data
    }
    return Verdict(
        predicted=len(places),
        dead=len(dead_lettered),
        lost=len(expected.rides) - len(places) + len(expected.poison) - len(dead_lettered)
        + expected.missing,
        out_of_order=sum(_inversions(ids, places) for ids in expected.order.values()),
        delivered_twice=good - len(places),
        wrong=wrong + len(dead.keys() - dead_lettered),
    )  # fmt: skip


def _inversions(event_ids: Sequence[str], places: Mapping[str, int]) -> int:
    """Count the events of a ride whose prediction came before that of an earlier event."""
    latest = -1
    behind = 0
    for event_id in event_ids:
        place = places.get(event_id, latest)
        behind += place < latest
        latest = max(latest, place)
    return behind


class StallWatch:
    """Finds how long a shard's checkpoint stood still while the shard held more.

    Attributes:
        longest: In seconds.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._moved: dict[str, tuple[str, float]] = {}

    def look(self, now: float, checkpoints: Mapping[str, str]) -> None:
        """Take the checkpoints of a moment, from when records begin to come."""
        for shard_id, position in checkpoints.items():
            before, since = self._moved.get(shard_id, (position, now))
            if position == before:
                self._moved[shard_id] = (before, since)
                continue
            self.longest = max(self.longest, now - since)
            self._moved[shard_id] = (position, now)

    def finish(self, now: float, checkpoints: Mapping[str, str], last: Mapping[str, str]) -> int:
        """Count those that never got to the end as standing still until now.

        Args:
            now: The end of the run.
            checkpoints: As they are now; what `look` saw may be older.
            last: Shard id to the sequence number of its last record.

        Returns:
            How many shards did not get there.
        """
        stuck = {
            shard_id: since
            for shard_id, (_, since) in self._moved.items()
            if (position := checkpoints.get(shard_id, FINISHED)) != FINISHED
            and last.get(shard_id, position) != position
        }
        self.longest = max([self.longest, *(now - since for since in stuck.values())])
        return len(stuck)
