"""The records that the soak puts on the stream, and the expected outcome of each user record.

A ride's event may be followed by updates of the same ride, which must be predicted in order. A few
rides are put one by one, plain or gzipped, each with a partition key of its own. Most are put by
their taxi, which aggregates them as the Kinesis Producer Library does, with the taxi's key.
"""

import gzip
import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from random import Random
from typing import NamedTuple

import msgspec

from demo.bad_events import BAD_EVENTS
from demo.ride_generator import RideEvent, RideStatistics, generate_rides
from tests.kpl_aggregation import DAMAGED_AGGREGATES, DAMAGED_ENTRIES, aggregate_of, entry
from tests.kpl_aggregation import field as protobuf_field

TAXIS = 300
UPDATE_SHARE = 0.2
UPDATE_DELAY = 2_000
"""An update comes at most this many events after its ride's last one."""

UNRECOGNISED_SHARE = 0.02
TWICE_SHARE = 0.01
"""Records that the producer puts twice."""

MONDAY = datetime(2025, 3, 3)  # noqa: DTZ001  rides are in New York local time
FIRST_RIDE_ID = 1_000_000


class Predicted(NamedTuple):
    """A ride event, which must be predicted."""

    ride_id: int


class DeadLettered(NamedTuple):
    """Poison, which must be dead-lettered with this data."""

    kind: str
    data: bytes


class Skipped(NamedTuple):
    """An event of an unrecognised event type."""


Outcome = Predicted | DeadLettered | Skipped


@dataclass(frozen=True, slots=True)
class KinesisRecord:
    """One record to put.

    Attributes:
        key: Its partition key.
        data: Its data.
        outcomes: The expected outcome of each of its user records.
        aggregated: Whether it is an intact aggregated record, whose event ids have an index.
    """

    key: str
    data: bytes
    outcomes: tuple[Outcome, ...]
    aggregated: bool = False


class Packing(Enum):
    """How a ride's events are put on the stream."""

    PLAIN = auto()
    GZIP = auto()
    AGGREGATE = auto()


ONE_PLAIN_OF = 40
"""One ride of this many is put as plain records, and another one gzipped."""


def packing(ride_id: int, *, plain_only: bool) -> Packing:
    """Return how a ride's events are put."""
    if plain_only:
        return Packing.PLAIN
    return {0: Packing.PLAIN, 1: Packing.GZIP}.get(ride_id % ONE_PLAIN_OF, Packing.AGGREGATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What to put.

    Attributes:
        rides: How many rides; None: no limit.
        seed: The same seed gives the same records.
        poison_share: The share of events that are poison, 0 to 1.
        rides_per_record: How many events an aggregated record holds on average.
        plain_only: Every event is a plain record of its own.
    """

    rides: int | None
    seed: int
    poison_share: float = 0.05
    rides_per_record: int = 10
    plain_only: bool = False

    @property
    def events_per_record(self) -> float:
        """How many events a Kinesis record holds on average."""
        if self.plain_only:
            return 1.0
        alone = 2 / ONE_PLAIN_OF
        return 1 / (alone + (1 - alone) / self.rides_per_record)


def generate_records(workload: Workload, statistics: RideStatistics) -> Iterator[KinesisRecord]:
    """Yield the records in the order in which to put them."""
    random = Random(workload.seed)
    packer = _Packer(workload, random)
    for event in _with_updates(workload, statistics, random):
        for record in packer.add(event):
            yield record
            if random.random() < TWICE_SHARE:
                yield record
    yield from packer.flush()


def _with_updates(
    workload: Workload, statistics: RideStatistics, random: Random
) -> Iterator[RideEvent]:
    """Yield every ride's event, and later perhaps updates of it."""
    generated = generate_rides(
        statistics, Random(workload.seed), first_ride_id=FIRST_RIDE_ID, week=MONDAY
    )
    rides = itertools.islice(generated, workload.rides)
    updates: list[tuple[int, int, RideEvent]] = []
    for number in itertools.count():
        if updates and updates[0][0] <= number:
            event = heapq.heappop(updates)[2]
        elif (ride := next(rides, None)) is not None:
            event = ride
        elif updates:
            event = heapq.heappop(updates)[2]
        else:
            return
        yield event
        if random.random() < UPDATE_SHARE:
            miles = round(event["ride"]["trip_distance"] + 1, 2)
            update: RideEvent = {**event, "ride": {**event["ride"], "trip_distance": miles}}
            due = number + random.randint(1, UPDATE_DELAY)
            heapq.heappush(updates, (due, number, update))


@dataclass(slots=True)
class _Packer:
    """Packs events into records, and makes some of them poison."""

    workload: Workload
    random: Random
    open: defaultdict[str, list[tuple[bytes, Outcome]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    sizes: dict[str, int] = field(default_factory=dict)

    def add(self, event: RideEvent) -> Iterator[KinesisRecord]:
        """Add an event; yield the records that are complete."""
        ride_id: int = event["ride_id"]
        data = msgspec.json.encode(event)
        how = packing(ride_id, plain_only=self.workload.plain_only)
        key = f"taxi-{ride_id % TAXIS}" if how is Packing.AGGREGATE else f"ride-{ride_id}"
        if self.random.random() < self.workload.poison_share:
            yield from self._pack_poison(key, data, how)
            return
        outcome: Outcome = Predicted(ride_id)
        if self.random.random() < UNRECOGNISED_SHARE:
            data = msgspec.json.encode({**event, "event_type": "ride_ended"})
            outcome = Skipped()
        yield from self._pack(key, data, outcome, how)

    def flush(self) -> Iterator[KinesisRecord]:
        """Yield the aggregated records that are not full."""
        for key in list(self.open):
            yield self._close(key)

    def _pack_poison(self, key: str, event: bytes, how: Packing) -> Iterator[KinesisRecord]:
        kinds: Mapping[str, Callable[[bytes], bytes]] = BAD_EVENTS
        if how is Packing.AGGREGATE:
            kinds = {**BAD_EVENTS, **DAMAGED_ENTRIES, **DAMAGED_AGGREGATES}
        kind = self.random.choice(list(kinds))
        data = kinds[kind](event)
        outcome = DeadLettered(kind, data)
        if kind in DAMAGED_AGGREGATES:
            yield KinesisRecord(key, data, (outcome,))
        elif kind in DAMAGED_ENTRIES:
            yield from self._aggregate(key, protobuf_field(3, data), outcome)
        else:
            # Poison in gzip would be another kind of poison.
            how = Packing.PLAIN if how is Packing.GZIP else how
            yield from self._pack(key, data, outcome, how)

    def _pack(
        self, key: str, data: bytes, outcome: Outcome, how: Packing
    ) -> Iterator[KinesisRecord]:
        if how is Packing.AGGREGATE:
            yield from self._aggregate(key, entry(data), outcome)
            return
        if how is Packing.GZIP:
            data = gzip.compress(data, mtime=0)
        yield KinesisRecord(key, data, (outcome,))

    def _aggregate(self, key: str, written: bytes, outcome: Outcome) -> Iterator[KinesisRecord]:
        if key not in self.sizes:
            self.sizes[key] = self.random.randint(1, 2 * self.workload.rides_per_record - 1)
        self.open[key].append((written, outcome))
        if len(self.open[key]) >= self.sizes[key]:
            yield self._close(key)

    def _close(self, key: str) -> KinesisRecord:
        entries, outcomes = zip(*self.open.pop(key), strict=True)
        self.sizes.pop(key)
        return KinesisRecord(key, aggregate_of(key, entries), outcomes, aggregated=True)
