"""The reconciliation: what should have happened to every event, and what did.

The input stream itself defines the events: an event's id is its position on that stream. A producer
that puts a record twice, on purpose or because the first response was lost, has made two events
with two ids, and both must be predicted. A consumer that wants one prediction per ride takes the
last one by `ride_id`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streaming.reader.checkpoints import FINISHED
from tests.soak.workload import DeadLettered, KinesisRecord, Predicted


class StoredRecord(NamedTuple):
    """A record as it is on a stream."""

    shard_id: str
    sequence_number: str
    data: bytes


class ReceivedPrediction(NamedTuple):
    """A prediction as the reader received it.

    Attributes:
        event_id: The event it is for; None from a function that does not name it.
        ride_id: The ride it is for.
        reader: Which of the readers, one after another, received it.
    """

    event_id: str | None
    ride_id: int
    reader: int = 0


def digest(data: bytes) -> bytes:
    """Return the digest by which an accepted record is found again on the stream."""
    return hashlib.sha256(data).digest()


@dataclass(slots=True)
class Expected:
    """What should happen to the events on the input stream.

    Attributes:
        rides: By event id of each event that must be predicted: its ride id.
        poison: By event id of each event that must be dead-lettered: its data.
        unrecognised: Events of an unrecognised event type.
        repeated: Records with a ride event whose data is on the stream before.
        by_ride: By ride id: its event ids in the order of the stream.
        missing: Records that Kinesis accepted and that are not on the stream.
        unknown: Records on the stream that the producer did not put.
        last: By shard id: the sequence number of its last record.
    """

    rides: dict[str, int] = field(default_factory=dict)
    poison: dict[str, DeadLettered] = field(default_factory=dict)
    unrecognised: int = 0
    repeated: int = 0
    by_ride: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    missing: int = 0
    unknown: int = 0
    last: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """How many events are on the stream."""
        return len(self.rides) + len(self.poison) + self.unrecognised


def expect(stream: Iterable[StoredRecord], accepted: Mapping[bytes, KinesisRecord]) -> Expected:
    """Derive from the input stream what should happen to every event on it.

    Args:
        stream: Its records. Those of one partition key are in order; after a reshard, those of
            parent shards come before those of child shards.
        accepted: The records that Kinesis accepted from the producer, by the digest of their data.
            Equal data has equal outcomes.
    """
    expected = Expected()
    seen: set[bytes] = set()
    for stored in stream:
        expected.last[stored.shard_id] = stored.sequence_number
        key = digest(stored.data)
        record = accepted.get(key)
        if record is None:
            expected.unknown += 1
            continue
        if key in seen and any(isinstance(each, Predicted) for each in record.outcomes):
            expected.repeated += 1
        seen.add(key)
        record_id = f"{stored.shard_id}:{stored.sequence_number}"
        for index, outcome in enumerate(record.outcomes):
            event_id = f"{record_id}:{index}" if record.aggregated else record_id
            if isinstance(outcome, Predicted):
                expected.rides[event_id] = outcome.ride_id
                expected.by_ride[outcome.ride_id].append(event_id)
            elif isinstance(outcome, DeadLettered):
                expected.poison[event_id] = outcome
            else:
                expected.unrecognised += 1
    expected.missing = len(accepted.keys() - seen)
    return expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The result of a reconciliation.

    Attributes:
        predicted: Ride events whose prediction the reader received.
        dead_lettered: Poison that is in the dead letters, with its own data.
        lost: Ride events without a prediction, poison without a dead-letter record, and records
            that Kinesis accepted and that are not on the stream.
        out_of_order: Predictions that the reader received after that of a later event of the ride.
        delivered_twice: Predictions that the same reader delivered again.
        delivered_after_restart: Predictions that a later reader delivered again, which does not
            know the events of the earlier one.
        wrong: Predictions without an event or for another ride, dead-letter records of events that
            are not poison or with other data, and unknown records on the input stream.
    """

    predicted: int
    dead_lettered: int
    lost: int
    out_of_order: int
    delivered_twice: int
    wrong: int
    delivered_after_restart: int = 0

    @property
    def passed(self) -> bool:
        """Whether every event is accounted for, once and in order."""
        return not (self.lost or self.out_of_order or self.delivered_twice or self.wrong)


def reconcile(
    expected: Expected, predictions: Sequence[ReceivedPrediction], dead_letters: Mapping[str, bytes]
) -> Reconciliation:
    """Compare what happened to every event with what should have.

    Args:
        expected: What should have happened.
        predictions: In the order in which the reader received them.
        dead_letters: The dead-letter records' data by event id.
    """
    positions: dict[str, int] = {}
    deliveries: set[tuple[str, int]] = set()
    correct = 0
    for position, (event_id, ride_id, reader) in enumerate(predictions):
        if event_id is not None and expected.rides.get(event_id) == ride_id:
            correct += 1
            deliveries.add((event_id, reader))
            positions.setdefault(event_id, position)
    dead_lettered = {
        event_id
        for event_id, data in dead_letters.items()
        if event_id in expected.poison and expected.poison[event_id].data == data
    }
    unpredicted = len(expected.rides) - len(positions)
    missing_dead_letters = len(expected.poison) - len(dead_lettered)
    wrong_dead_letters = len(dead_letters) - len(dead_lettered)
    return Reconciliation(
        predicted=len(positions),
        dead_lettered=len(dead_lettered),
        lost=unpredicted + missing_dead_letters + expected.missing,
        out_of_order=sum(_inversions(ids, positions) for ids in expected.by_ride.values()),
        delivered_twice=correct - len(deliveries),
        delivered_after_restart=len(deliveries) - len(positions),
        wrong=len(predictions) - correct + wrong_dead_letters + expected.unknown,
    )


def _inversions(event_ids: Sequence[str], positions: Mapping[str, int]) -> int:
    """Count a ride's events whose prediction came before that of an earlier event."""
    latest = -1
    inversions = 0
    for event_id in event_ids:
        position = positions.get(event_id, latest)
        inversions += position < latest
        latest = max(latest, position)
    return inversions


class StallWatch:
    """Measures how long a shard's checkpoint stood still while the shard held more records.

    Attributes:
        longest: In seconds.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._moved: dict[str, tuple[str, float]] = {}

    def observe(self, now: float, checkpoints: Mapping[str, str]) -> None:
        """Note the checkpoints at a time; call it from when the first records are put."""
        for shard_id, checkpoint in checkpoints.items():
            before, since = self._moved.get(shard_id, (checkpoint, now))
            if checkpoint == before:
                self._moved[shard_id] = (before, since)
                continue
            self.longest = max(self.longest, now - since)
            self._moved[shard_id] = (checkpoint, now)

    def finish(self, now: float, checkpoints: Mapping[str, str], last: Mapping[str, str]) -> int:
        """Count the shards that were not read to their end; they stood still until now.

        Args:
            now: The end of the run.
            checkpoints: The current ones; those observed last may be older.
            last: By shard id: the sequence number of its last record.

        Returns:
            The number of stuck shards.
        """
        stuck = {
            shard_id: since
            for shard_id, (_, since) in self._moved.items()
            if (checkpoint := checkpoints.get(shard_id, FINISHED)) != FINISHED
            and last.get(shard_id, checkpoint) != checkpoint
        }
        self.longest = max([self.longest, *(now - since for since in stuck.values())])
        return len(stuck)
