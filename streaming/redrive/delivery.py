"""Putting dead-letter records back on their streams."""

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streaming.errors import StreamError
from streaming.publisher import Entry, Published, Publisher, PutRecordsClient
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.formats import entry_of, position, read_dead_letter_records
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
        repeated: Records, delivered now or earlier, that may be on the stream twice: a call with
            them got no response, or one that contradicts itself.
        unacceptable: Records that Kinesis never accepts, for their size or partition key.
        deleted: Objects deleted.
        failures: Why the delivery to a stream ended early, by stream.
    """

    delivered: int = 0
    repeated: int = 0
    unacceptable: int = 0
    deleted: int = 0
    failures: dict[str, str] = field(default_factory=dict)


Publish = Callable[[PutRecordsClient, str, Sequence[Entry]], Published]
"""Puts entries on a stream, given a client and the stream's name."""


def publish(client: PutRecordsClient, stream: str, entries: Sequence[Entry]) -> Published:
    """Put entries on a stream, and resend for `PUT_TIMEOUT_SECONDS` those that it refuses."""
    return Publisher(client, stream).publish(entries, time.monotonic() + PUT_TIMEOUT_SECONDS)


def deliver(
    storage: Storage,
    objects: Iterable[Sequence[str]],
    selection: Selection,
    log: DeliveryLog,
    client: RedriveClient,
    *,
    delete: bool = False,
    publish: Publish = publish,
    advance: Callable[[int], None] = lambda _count: None,
) -> Delivery:
    """Put the selected records that are not in the delivery log on a stream, and log them.

    Each record is put at least once. It can be put twice only if the response to a call was lost or
    contradicts itself, or the program was killed during a call; `Delivery.repeated` counts such
    records.

    The delivery to a stream ends at the first record that Kinesis still refuses after the timeout:
    later records must not overtake it. Records of other streams are put all the same.

    Args:
        storage: The folder or bucket.
        objects: The names of the objects, as in `Survey.objects`: in this order, those that are
            together as if they were one.
        selection: Which of their records to put.
        log: What was delivered earlier, and to which stream; what is delivered now is added. It
            must be open.
        client: A boto3 Kinesis client without retries of its own.
        delete: Delete each object of which every record is delivered, now or earlier.
        publish: Puts entries on a stream, in order by partition key.
        advance: Called after each call with the number of records that were accepted.

    Raises:
        StorageError: An object can no longer be read or deleted.
        InvalidDeadLetter: An object no longer holds dead-letter records.
        DeliveryLogMismatch: The log belongs to another account, region, endpoint or stream.
        DeliveryLogError: The log cannot be written: nothing more is put.
    """
    streams = _Streams(client, log, publish, advance)
    for names in objects:
        records = {
            name: list(identified(name, read_dead_letter_records(storage.read(name))))
            for name in names
        }
        in_order = heapq.merge(*records.values(), key=lambda each: position(each[1]))
        # A dict: an event that is held twice is delivered once.
        due = {i: record for i, record in in_order if record in selection and i not in log}
        for stream, some in _by_stream(due.items(), log.stream).items():
            streams.put(stream, some)
        for name in names if delete else ():
            if streams.have_all(records[name]):
                storage.delete(name)
                streams.done.deleted += 1
    streams.done.repeated = log.repeated
    return streams.done


class _Streams:
    """The streams to put records on.

    Attributes:
        done: What was done so far. A stream among its failures accepts no more records.
    """

    def __init__(
        self,
        client: RedriveClient,
        log: DeliveryLog,
        publish: Publish,
        advance: Callable[[int], None],
    ) -> None:
        self.done = Delivery()
        self._client = client
        self._log = log
        self._publish = publish
        self._advance = advance
        self._known: set[str] = set()

    def accepts(self, stream: str) -> bool:
        """Return whether records may be put on a stream: it exists, and has not failed.

        Raises:
            DeliveryLogMismatch: The delivery log belongs to another stream.
            DeliveryLogError: The delivery log cannot be written.
        """
        if stream not in self._known | self.done.failures.keys():
            try:
                self._log.bind(identify(self._client, stream))
                self._known.add(stream)
            except StreamError as error:
                self.done.failures[stream] = str(error)
        return stream not in self.done.failures

    def have_all(self, records: Sequence[Identified]) -> bool:
        """Return whether all of an object's records are delivered, to these very streams.

        Raises:
            DeliveryLogMismatch: As for `accepts`.
            DeliveryLogError: As for `accepts`.
        """
        streams = _by_stream(records, self._log.stream)
        return all(i in self._log for i, _ in records) and all(map(self.accepts, streams))

    def put(self, stream: str, records: Iterable[Identified]) -> None:
        """Put records on a stream in order, and stop at the first that it refuses.

        Raises:
            DeliveryLogMismatch: As for `accepts`.
            DeliveryLogError: As for `accepts`.
        """
        for wave in waves(records):
            if not self.accepts(stream):
                return
            entries = [(record_id, entry_of(record)) for record_id, record in wave]
            puts = LoggedPuts(self._client, self._log, self._advance, entries)
            published = self._publish(puts, stream, [entry for _, entry in entries])
            self.done.delivered += published.accepted
            self.done.unacceptable += len(published.unacceptable)
            if published.refused:
                self.done.failures[stream] = published.failure or "out of time"


def _by_stream(records: Iterable[Identified], stream: str | None) -> dict[str, list[Identified]]:
    """Group records by the stream to put them on: `stream`, or if it is None their own."""
    groups: dict[str, list[Identified]] = {}
    for record_id, record in records:
        groups.setdefault(stream or record.stream, []).append((record_id, record))
    return groups
