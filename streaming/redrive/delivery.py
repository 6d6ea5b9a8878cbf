"""Putting dead-letter records back on their streams."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streaming.errors import StreamError
from streaming.publisher import Publisher, PutRecordsClient
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.formats import entry_of, read_dead_letter_records
from streaming.redrive.logged_puts import LoggedPuts
from streaming.redrive.stream_identity import DescribeClient, identify
from streaming.redrive.survey import Selection, identified
from streaming.redrive.waves import Identified, waves
from streaming.storage import Storage

PUT_TIMEOUT_SECONDS = 60.0
"""How long records that Kinesis refuses are resent."""


class RedriveClient(PutRecordsClient, DescribeClient, Protocol):
    """What `deliver` needs of a boto3 Kinesis client."""


@dataclass(slots=True)
class Delivery:
    """The result of a delivery.

    Attributes:
        delivered: Records that Kinesis accepted now.
        repeated: Those of them that may be on the stream twice: the response to an earlier call was
            lost.
        unacceptable: Records that Kinesis never accepts, for their size or partition key.
        deleted: Objects deleted.
        failures: Why the delivery to a stream ended early, by stream.
    """

    delivered: int = 0
    repeated: int = 0
    unacceptable: int = 0
    deleted: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def deliver(
    storage: Storage,
    names: Sequence[str],
    selection: Selection,
    log: DeliveryLog,
    client: RedriveClient,
    *,
    stream: str | None = None,
    delete: bool = False,
    publisher: Callable[[PutRecordsClient, str], Publisher] = Publisher,
    clock: Callable[[], float] = time.monotonic,
    advance: Callable[[int], None] = lambda _count: None,
) -> Delivery:
    """Put the selected records that are not in the delivery log on a stream, and log them.

    Each record is put at least once. It can be put twice only if the response to a call was lost,
    or the program was killed during a call; `Delivery.repeated` counts such records.

    The delivery to a stream ends at the first record that Kinesis still refuses after the timeout:
    later records must not overtake it. Records of other streams are put all the same.

    Args:
        storage: The folder or bucket.
        names: The objects, in this order.
        selection: Which of their records to put.
        log: What was delivered earlier, open; what is delivered now is added.
        client: A boto3 Kinesis client without retries of its own.
        stream: The stream to put them on; None: each on the stream it came from.
        delete: Delete each object of which every record is delivered, now or earlier.
        publisher: Creates the publisher to a stream; its clock must be `clock`.
        clock: Monotonic seconds.
        advance: Called after each call with the number of records that were accepted.

    Raises:
        StorageError: An object can no longer be read or deleted.
        InvalidDeadLetter: An object no longer holds dead-letter records.
        DeliveryLogMismatch: The log belongs to another account, region, endpoint or stream.
        DeliveryLogError: The log cannot be written: nothing more is put.
    """
    puts = LoggedPuts(client, log, advance)
    streams = _Streams(client, log, puts, publisher, clock)
    for name in names:
        records = list(identified(name, read_dead_letter_records(storage.read(name))))
        # A dict: an event that an object holds twice is delivered once.
        due = {i: record for i, record in records if record in selection and i not in log}
        for target, group in _by_stream(due.items(), stream).items():
            streams.put(target, group)
        if (
            delete
            and all(record_id in log for record_id, _ in records)
            # Looked up although nothing is due: the log must be that of these very streams.
            and all(streams.open(target) for target in _by_stream(records, stream))
        ):
            storage.delete(name)
            streams.done.deleted += 1
    streams.done.repeated = puts.repeated
    return streams.done


class _Streams:
    """The streams to put records on, each identified and entered in the log on first use.

    Attributes:
        done: What was put so far; a stream among its failures gets no more records.
    """

    def __init__(
        self,
        client: DescribeClient,
        log: DeliveryLog,
        puts: LoggedPuts,
        make_publisher: Callable[[PutRecordsClient, str], Publisher],
        clock: Callable[[], float],
    ) -> None:
        self.done = Delivery()
        self._client = client
        self._log = log
        self._puts = puts
        self._make_publisher = make_publisher
        self._clock = clock
        self._publishers: dict[str, Publisher] = {}

    def open(self, stream: str) -> Publisher | None:
        """Return the publisher to a stream; None if the delivery to it has failed.

        Raises:
            DeliveryLogError: The log belongs to another stream, or cannot be written.
        """
        if stream in self.done.failures:
            return None
        if stream not in self._publishers:
            try:
                identity = identify(self._client, stream)
            except StreamError as error:
                self.done.failures[stream] = str(error)
                return None
            self._log.bind(identity)
            self._publishers[stream] = self._make_publisher(self._puts, stream)
        return self._publishers[stream]

    def put(self, stream: str, records: Iterable[Identified]) -> None:
        """Put records on a stream, in order, until one of them fails.

        Raises:
            DeliveryLogError: As for `open`.
        """
        for wave in waves(records):
            publisher = self.open(stream)
            if publisher is None:
                return
            entries = [entry_of(record) for _, record in wave]
            self._puts.identify(entries, [record_id for record_id, _ in wave])
            published = publisher.publish(entries, self._clock() + PUT_TIMEOUT_SECONDS)
            self.done.delivered += published.accepted
            self.done.unacceptable += len(published.unacceptable)
            if published.refused:
                self.done.failures[stream] = published.failure or "out of time"


def _by_stream(records: Iterable[Identified], stream: str | None) -> dict[str, list[Identified]]:
    """Group records by the stream to put them on; `stream` if it is not None."""
    groups: dict[str, list[Identified]] = {}
    for record_id, record in records:
        groups.setdefault(stream or record.stream, []).append((record_id, record))
    return groups
