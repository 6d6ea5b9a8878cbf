"""Puts rides on a stream at a steady rate."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import TypeVar

import msgspec

from demo.bad_events import bad_event
from demo.ride_generator import RideEvent
from streaming.publisher import CALL_ENTRIES, Entry

Item = TypeVar("Item")

TICK_SECONDS = 0.05
"""At high rates, how long to collect rides for one call; a viewer sees it as steady."""


class OutgoingRide(msgspec.Struct, frozen=True):
    """A ride to put on the stream.

    Attributes:
        key: The partition key: the ride's id as text. Its prediction or dead-letter record has the
            same one.
        data: The record's data; a poison record's is not a valid event.
        route: Pickup and dropoff zone.
    """

    key: str
    data: bytes
    route: tuple[int, int]

    @property
    def entry(self) -> Entry:
        """The ride as an entry of PutRecords."""
        return {"Data": self.data, "PartitionKey": self.key}


class OutgoingEnd(msgspec.Struct, frozen=True):
    """The end of a ride to put on the stream.

    Attributes:
        key: The partition key: the ride's id as text, so that it comes after the ride's start.
        data: A `ride_ended` event.
    """

    key: str
    data: bytes

    @property
    def entry(self) -> Entry:
        """The end as an entry of PutRecords."""
        return {"Data": self.data, "PartitionKey": self.key}


def outgoing_rides(
    events: Iterable[RideEvent], *, seed: int | None = None, poison_share: float = 0.0
) -> Iterator[OutgoingRide]:
    """Encode events, and turn a share of them into poison records.

    Args:
        events: Valid `ride_started` events.
        seed: Selects the poison records.
        poison_share: The share of poison records, 0 to 1.
    """
    # Its own random source: poison must not change which rides are generated.
    random = Random(seed)  # noqa: S311  demo rides
    for event in events:
        ride = event["ride"]
        data = msgspec.json.encode(event)
        yield OutgoingRide(
            key=str(event["ride_id"]),
            data=bad_event(data, random) if random.random() < poison_share else data,
            route=(ride["PULocationID"], ride["DOLocationID"]),
        )


def put_records_batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Split items into batches of at most 500, the limit of a PutRecords call."""
    rest = iter(items)
    while batch := list(islice(rest, CALL_ENTRIES)):
        yield batch


def paced_batches(
    groups: Iterable[Sequence[Item]],
    rate: float | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[list[Item]]:
    """Yield items at a rate, in batches for PutRecords calls.

    A consumer that falls behind gets larger batches until it has caught up.

    Args:
        groups: The items, in groups of those that become available together.
        rate: Items per second; None: no limit.
        clock: Monotonic seconds.
        sleep: Waits for some seconds. If it returns true, as `threading.Event.wait` does when the
            event is set, the iteration ends.

    Yields:
        1 to 500 items.
    """
    available: deque[Item] = deque()
    source = iter(groups)
    started = clock()
    yielded = 0
    while True:
        if not available:
            requested_at = clock()
            group = next(source, None)
            if group is None:
                return
            available.extend(group)
            started += clock() - requested_at  # time that the source takes is not caught up
            continue
        due = CALL_ENTRIES
        if rate is not None:
            due = 1 + int((clock() - started) * rate) - yielded
            if due < 1:
                until_next = started + yielded / rate - clock()
                if sleep(max(until_next, TICK_SECONDS)):
                    return
                continue
        batch = [available.popleft() for _ in range(min(due, len(available), CALL_ENTRIES))]
        yielded += len(batch)
        yield batch
