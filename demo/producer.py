"""Putting rides on a stream at a steady rate."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import TypeVar

import msgspec

from demo.bad_events import poison
from demo.ride_generator import RideEvent
from streaming.publisher import CALL_ENTRIES, Entry

Item = TypeVar("Item")

TICK_SECONDS = 0.05
"""At high rates, how long rides are collected for one call; an eye sees it as steady."""


class OutgoingRide(msgspec.Struct, frozen=True):
    """A ride on its way to the stream.

    Attributes:
        key: The partition key: the ride's id as text. Its prediction and its dead letter carry
            the same one.
        data: What is put, which need not be an intact event.
        route: Pickup and dropoff zone.
    """

    key: str
    data: bytes
    route: tuple[int, int]

    @property
    def entry(self) -> Entry:
        """The ride as an entry of PutRecords."""
        return {"Data": self.data, "PartitionKey": self.key}


def outgoing(
    events: Iterable[RideEvent], *, poison_share: float = 0.0, random: Random
) -> Iterator[OutgoingRide]:
    """Encode events, and spoil a share of them on purpose.

    Args:
        events: Intact `ride_started` events.
        poison_share: How many to spoil, 0 to 1.
        random: The source of chance.
    """
    for event in events:
        ride = event["ride"]
        data = msgspec.json.encode(event)
        yield OutgoingRide(
            key=str(event["ride_id"]),
            data=poison(data, random) if random.random() < poison_share else data,
            route=(ride["PULocationID"], ride["DOLocationID"]),
        )


def in_calls(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Group items to what one PutRecords call takes: 500."""
    rest = iter(items)
    while group := list(islice(rest, CALL_ENTRIES)):
        yield group


def paced(
    groups: Iterable[Sequence[Item]],
    rate: float | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[list[Item]]:
    """Hand out items as they fall due, in batches that one PutRecords call takes.

    Who takes long over a batch gets larger ones until it has caught up.

    Args:
        groups: The items, in groups of those that become available together.
        rate: Items a second; None: at once.
        clock: Seconds, from any origin, never going back.
        sleep: Waits for some seconds. A true answer, as `threading.Event.wait` gives when the
            event is set, ends the iteration.

    Yields:
        1 to 500 items.
    """
    available: deque[Item] = deque()
    source = iter(groups)
    started = clock()
    handed_out = 0
    while True:
        if not available:
            asked = clock()
            group = next(source, None)
            if group is None:
                return
            available.extend(group)
            started += clock() - asked  # a source that lets us wait sets us back, not behind
            continue
        due = CALL_ENTRIES
        if rate is not None:
            due = 1 + int((clock() - started) * rate) - handed_out
            if due < 1:
                until_next = started + handed_out / rate - clock()
                if sleep(max(until_next, TICK_SECONDS)):
                    return
                continue
        batch = [available.popleft() for _ in range(min(due, len(available), CALL_ENTRIES))]
        handed_out += len(batch)
        yield batch
