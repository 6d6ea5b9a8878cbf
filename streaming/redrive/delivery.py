"""Putting dead-letter records back on their streams."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from streaming.publisher import CALL_ENTRIES, Publisher
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.formats import entry_of, read_dead_letter_records
from streaming.redrive.survey import Selection, identified
from streaming.storage import Storage

PUT_TIMEOUT_SECONDS = 60.0
"""How long records that Kinesis refuses are resent."""


@dataclass(slots=True)
class Delivery:
    """The result of a delivery.

    Attributes:
        delivered: Records that Kinesis accepted now.
        unacceptable: Records that Kinesis never accepts, for their size or partition key.
        deleted: Objects deleted.
        failure: Why it ended early; None if it did not.
    """

    delivered: int = 0
    unacceptable: int = 0
    deleted: int = 0
    failure: str | None = None


def deliver(
    storage: Storage,
    names: Sequence[str],
    selection: Selection,
    log: DeliveryLog,
    publisher: Callable[[str], Publisher],
    *,
    delete: bool = False,
    clock: Callable[[], float] = time.monotonic,
    advance: Callable[[int], None] = lambda _count: None,
) -> Delivery:
    """Put the selected records that are not in the delivery log on a stream, and log them.

    The delivery ends at the first record that Kinesis still refuses after the timeout: later
    records must not overtake it.

    Args:
        storage: The folder or bucket.
        names: The objects, in this order.
        selection: Which of their records to put.
        log: What was delivered earlier; what is delivered now is added.
        publisher: Given the stream that records came from, creates the publisher for them, to that
            or another stream. Its clock must be `clock`.
        delete: Delete each object of which every record is delivered, now or earlier.
        clock: Monotonic seconds.
        advance: Called with the number of records delivered since the last call.

    Raises:
        StorageError: An object can no longer be read or deleted.
        InvalidDeadLetter: An object no longer holds dead-letter records.
    """
    done = Delivery()
    publishers: dict[str, Publisher] = {}
    for name in names:
        records = list(identified(name, read_dead_letter_records(storage.read(name))))
        # A dict: an event that an object holds twice is delivered once.
        due = {i: record for i, record in records if record in selection and i not in log}
        waiting = iter(due.items())
        while some := list(islice(waiting, CALL_ENTRIES)):
            origin = some[0][1].stream  # an object's records are of one stream
            if origin not in publishers:
                publishers[origin] = publisher(origin)
            entries = [entry_of(record) for _, record in some]
            published = publishers[origin].publish(entries, clock() + PUT_TIMEOUT_SECONDS)
            left = {*published.refused, *published.unacceptable}
            log.add(i for position, (i, _) in enumerate(some) if position not in left)
            done.delivered += published.accepted
            done.unacceptable += len(published.unacceptable)
            advance(published.accepted)
            if published.refused:
                done.failure = published.failure or "out of time"
                return done
        if delete and all(record_id in log for record_id, _ in records):
            storage.delete(name)
            done.deleted += 1
    return done
