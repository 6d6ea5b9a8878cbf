"""What the soak puts on the stream, and what must become of each payload.

A ride's event may be followed by updates of the same ride, which must be answered in order. A few
rides are put one by one, plain or gzipped, each under a partition key of its own. Most are put by
their taxi, which aggregates them as the Kinesis Producer Library does, under the taxi's key.
"""

import gzip
import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from random import Random
from typing import NamedTuple

import msgspec

from demo.bad_events import BAD_EVENTS
from demo.ride_generator import RideEvent, RideStatistics, generate_rides
from tests.soak.kpl_aggregation import AGGREGATE_SPOILERS, ENTRY_SPOILERS, aggregate, entry

TAXIS = 300
UPDATE_SHARE = 0.2
UPDATE_DELAY = 2_000
"""An update comes at most so many events after its ride's last one."""

UNRECOGNISED_SHARE = 0.02
TWICE_SHARE = 0.01
"""Records that their producer puts twice."""

MONDAY = datetime(2025, 3, 3)  # noqa: DTZ001  a ride's time is New York's own
FIRST_RIDE_ID = 1_000_000


class Good(NamedTuple):
    """A ride's event: it must be predicted."""

    ride_id: int


class Poisoned(NamedTuple):
    """A payload that can never succeed: it must be a dead letter, with these bytes."""

    kind: str
    data: bytes


class Unrecognised(NamedTuple):
    """Somebody else's event: nothing must come of it."""


Outcome = Good | Poisoned | Unrecognised


@dataclass(frozen=True, slots=True)
class KinesisRecord:
    """One Kinesis record.

    Attributes:
        key: Its partition key.
        data: Its data.
        outcomes: What must become of each payload in it.
        indexed: Whether its payloads are told apart by an index, as in an aggregate.
    """

    key: str
    data: bytes
    outcomes: tuple[Outcome, ...]
    indexed: bool = False


class Packing(Enum):
    """How a ride's events are put on the stream."""

    PLAIN = "plain"
    GZIP = "gzip"
    AGGREGATE = "aggregate"


ONE_PLAIN_OF = 40
"""One ride in so many is put as a plain record, and another one gzipped."""


def packing(ride_id: int, *, plain_only: bool) -> Packing:
    """Tell how a ride's events are put."""
    if plain_only:
        return Packing.PLAIN
    return {0: Packing.PLAIN, 1: Packing.GZIP}.get(ride_id % ONE_PLAIN_OF, Packing.AGGREGATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What to put.

    Attributes:
        rides: How many rides; None: without end.
        seed: The same seed gives the same records.
        poison_share: How many events are spoilt, 0 to 1.
        rides_per_record: How many events an aggregate holds on average.
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


def kinesis_records_of(workload: Workload, statistics: RideStatistics) -> Iterator[KinesisRecord]:
    """Give the records in the order to put them."""
    random = Random(workload.seed)
    packer = _Packer(workload, random)
    for event in _with_updates(workload, statistics, random):
        for record in packer.take(event):
            yield record
            if random.random() < TWICE_SHARE:
                yield record
    yield from packer.rest()


def _with_updates(
    workload: Workload, statistics: RideStatistics, random: Random
) -> Iterator[RideEvent]:
    """Give every ride's event, and later perhaps updates of it."""
    drawn = generate_rides(
        statistics, Random(workload.seed), first_ride_id=FIRST_RIDE_ID, week=MONDAY
    )  # fmt: skip
    rides = itertools.islice(drawn, workload.rides)
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
            further = {
                **event["ride"],
                "trip_distance": round(event["ride"]["trip_distance"] + 1, 2),
            }
            due = number + random.randint(1, UPDATE_DELAY)
            heapq.heappush(updates, (due, number, {**event, "ride": further}))


@dataclass(slots=True)
class _Packer:
    """Makes records of events, some of them poison."""

    workload: Workload
    random: Random
    open: defaultdict[str, list[tuple[bytes, Outcome]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    sizes: dict[str, int] = field(default_factory=dict)

    def take(self, event: RideEvent) -> Iterator[KinesisRecord]:
        """Take an event; give the records that are complete."""
        ride_id: int = event["ride_id"]
        data = msgspec.json.encode(event)
        how = packing(ride_id, plain_only=self.workload.plain_only)
        key = f"taxi-{ride_id % TAXIS}" if how is Packing.AGGREGATE else f"ride-{ride_id}"
        if self.random.random() < self.workload.poison_share:
            yield from self._poison(key, data, how)
            return
        outcome: Outcome = Good(ride_id)
        if self.random.random() < UNRECOGNISED_SHARE:
            data, outcome = (
                msgspec.json.encode({**event, "event_type": "ride_ended"}),
                Unrecognised(),
            )
        yield from self._pack(key, data, outcome, how)

    def rest(self) -> Iterator[KinesisRecord]:
        """Give the aggregates that are not full."""
        for key in list(self.open):
            yield self._close(key)

    def _poison(self, key: str, event: bytes, how: Packing) -> Iterator[KinesisRecord]:
        spoilers: Mapping[str, object] = BAD_EVENTS
        if how is Packing.AGGREGATE:
            spoilers = {**BAD_EVENTS, **ENTRY_SPOILERS, **AGGREGATE_SPOILERS}
        kind = self.random.choice(list(spoilers))
        if kind in AGGREGATE_SPOILERS:
            data = AGGREGATE_SPOILERS[kind](event)
            yield KinesisRecord(key, data, (Poisoned(kind, data),))
        elif kind in ENTRY_SPOILERS:
            data = ENTRY_SPOILERS[kind](event)
            yield from self._enclose(key, data, Poisoned(kind, data))
        else:
            data = BAD_EVENTS[kind](event)
            # Gzip over poison would be another kind of it.
            how = Packing.PLAIN if how is Packing.GZIP else how
            yield from self._pack(key, data, Poisoned(kind, data), how)

    def _pack(
        self, key: str, data: bytes, outcome: Outcome, how: Packing
    ) -> Iterator[KinesisRecord]:
        if how is Packing.AGGREGATE:
            yield from self._enclose(key, entry(data), outcome)
            return
        if how is Packing.GZIP:
            data = gzip.compress(data, mtime=0)
        yield KinesisRecord(key, data, (outcome,))

    def _enclose(self, key: str, written: bytes, outcome: Outcome) -> Iterator[KinesisRecord]:
        if key not in self.sizes:
            self.sizes[key] = self.random.randint(1, 2 * self.workload.rides_per_record - 1)
        self.open[key].append((written, outcome))
        if len(self.open[key]) >= self.sizes[key]:
            yield self._close(key)

    def _close(self, key: str) -> KinesisRecord:
        entries = self.open.pop(key)
        self.sizes.pop(key)
        data = aggregate(key, [written for written, _ in entries])
        return KinesisRecord(key, data, tuple(outcome for _, outcome in entries), indexed=True)
