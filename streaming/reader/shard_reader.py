"""Reading one shard of a stream, from a starting position to its end.

A shard is read through an iterator, which names a position and lives for five minutes. GetRecords
trades it for records and the next iterator, and gives no next one at the end of a closed shard.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
from botocore.exceptions import ClientError

from streaming.errors import StreamError, StreamUnavailable
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, IteratorType, Shard, StartingPosition
from streaming.retries import backoff, is_transient

logger = logging.getLogger(__name__)

# GetRecords: at most five calls a second on a shard, 10,000 records or 10 MiB a call
# (Kinesis Data Streams API reference, GetRecords).
READ_INTERVAL_SECONDS = 0.2
READ_LIMIT = 10_000

CLOCK_SKEW = timedelta(minutes=1)
"""How far this machine's clock may be ahead of Kinesis's."""


class KinesisReads(Protocol):
    """The calls of a boto3 Kinesis client that reading needs, with AWS's arguments and answers."""

    def list_shards(self, *, StreamName: str = ..., NextToken: str = ...) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Answer a page of `Shards` and, if there is another, its `NextToken`."""

    def get_shard_iterator(
        self,
        *,
        StreamName: str,  # noqa: N803  AWS's name
        ShardId: str,  # noqa: N803  AWS's name
        ShardIteratorType: IteratorType,  # noqa: N803  AWS's name
        Timestamp: datetime = ...,  # noqa: N803  AWS's name
        StartingSequenceNumber: str = ...,  # noqa: N803  AWS's name
    ) -> Mapping[str, Any]:
        """Answer a `ShardIterator`."""

    def get_records(self, *, ShardIterator: str, Limit: int) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Answer `Records`, `NextShardIterator`, `MillisBehindLatest` and `ChildShards`."""


class StreamRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of a stream.

    Attributes:
        shard_id: The shard it was read from.
        sequence_number: A decimal number of up to 128 digits; orders the records of one shard.
        partition_key: What its producer chose; records of one key are in order.
        data: The payload as it was put.
        arrived_at: Approximate arrival on the stream, UTC, to the millisecond.
    """

    shard_id: str
    sequence_number: str
    partition_key: str
    data: bytes
    arrived_at: datetime

    @property
    def event_id(self) -> str:
        """Lambda's `eventID` for this record: `shardId:sequenceNumber`."""
        return f"{self.shard_id}:{self.sequence_number}"


def list_shards(client: KinesisReads, stream_name: str) -> list[Shard]:
    """List every shard that the stream still keeps, closed ones included.

    Raises:
        StreamUnavailable: Throttled or unreachable.
        StreamError: There is no such stream, or it may not be read.
    """
    try:
        return [
            Shard(
                shard_id=shard["ShardId"],
                parents=tuple(
                    shard[parent]
                    for parent in ("ParentShardId", "AdjacentParentShardId")
                    if shard.get(parent)
                ),
                closed=bool(shard["SequenceNumberRange"].get("EndingSequenceNumber")),
            )
            for page in _pages(client, stream_name)
            for shard in page["Shards"]
        ]
    except Exception as error:  # botocore's parser raises anything on what is no answer
        raise _stream_error(stream_name, error) from error


class ShardReader:
    """Reads one shard in order, each record once.

    It never reads faster than Kinesis allows, takes a new iterator when the old one has expired,
    and waits out throttles and network failures, for ever if need be.

    Args:
        client: A boto3 Kinesis client.
        stream_name: The stream.
        shard_id: The shard.
        start: Where to begin.
        clock: Seconds, from any origin, never going back.
        sleep: Waits for some seconds. A true answer (as `threading.Event.wait` gives when the
            event is set) means that the wait was cut short: nothing is read then.
        jitter: Draws evenly from 0 to 1.
        now: The time of day.

    Attributes:
        position: Where reading goes on: behind the last record returned, else the start.
        due: The next read's time on the clock; a read before it waits.
        finished: The shard is closed and was read to its end.
        at_tip: The last read found all that the shard held.
        millis_behind_latest: How far the last answer was from the tip; None before the first.
        child_shards: At the end of a closed shard, those that continue it, if Kinesis names them.
    """

    def __init__(
        self,
        client: KinesisReads,
        stream_name: str,
        shard_id: str,
        start: StartingPosition = TRIM_HORIZON,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.shard_id = shard_id
        self.position = start
        self.due = clock()
        self.finished = False
        self.at_tip = False
        self.millis_behind_latest: int | None = None
        self.child_shards: tuple[Shard, ...] = ()
        self._client = client
        self._stream_name = stream_name
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._now = now
        self._iterator: str | None = None
        self._failures = 0

    def open(self) -> None:
        """Take the iterator now rather than at the first read, which fixes what LATEST means.

        Raises:
            StreamError: The shard cannot be read.
        """
        try:
            self._take_iterator()
        except Exception as error:  # noqa: BLE001  the same as in `read`
            self._recover(error)

    def read(self, limit: int = READ_LIMIT) -> list[StreamRecord]:
        """Call GetRecords once, when it is due.

        Args:
            limit: At most this many records, 1 to 10,000.

        Returns:
            The next records in order; none if there are none yet, if the wait was cut short, or
            if the call failed in a way that passes by itself (the next read is then put off).

        Raises:
            StreamError: The shard cannot be read.
        """
        wait = self.due - self._clock()
        if self.finished or (wait > 0 and self._sleep(wait)):
            return []
        try:
            iterator = self._iterator or self._take_iterator()
            return self._accept(
                self._client.get_records(ShardIterator=iterator, Limit=limit), limit
            )
        except Exception as error:  # noqa: BLE001  botocore's parser raises anything on no answer
            self._recover(error)
            return []

    def _accept(self, answer: Mapping[str, Any], limit: int) -> list[StreamRecord]:
        # Everything is read before anything is kept: what is no answer must not move the iterator.
        records = [
            StreamRecord(
                self.shard_id,
                record["SequenceNumber"],
                record["PartitionKey"],
                record["Data"],
                record["ApproximateArrivalTimestamp"].astimezone(UTC),
            )
            for record in answer["Records"]
        ]
        children = tuple(
            Shard(child["ShardId"], parents=tuple(child["ParentShards"]))
            for child in answer.get("ChildShards") or ()
        )
        self._failures = 0
        self.due = self._clock() + READ_INTERVAL_SECONDS
        self._iterator = answer.get("NextShardIterator")
        self.finished = not self._iterator
        self.millis_behind_latest = answer.get("MillisBehindLatest")
        self.child_shards = children
        # A full answer may end within the millisecond of the newest record, and yet before it.
        self.at_tip = not self.millis_behind_latest and len(records) < limit
        if records:
            self.position = StartingPosition.after(records[-1].sequence_number)
        return records

    def _take_iterator(self) -> str:
        start = self.position
        if start == LATEST:
            # Taken again later, LATEST would skip what has arrived in between.
            self.position = StartingPosition.at(self._now())
        answer = self._client.get_shard_iterator(
            StreamName=self._stream_name, ShardId=self.shard_id, **start.arguments()
        )
        self._iterator = str(answer["ShardIterator"])
        return self._iterator

    def _recover(self, error: Exception) -> None:
        """Prepare the next read, or raise what no further read can mend."""
        self.at_tip = False
        if _code(error) == "ExpiredIteratorException":
            self._iterator = None
            self.due = self._clock() + READ_INTERVAL_SECONDS
            return
        stream_error = _stream_error(self._stream_name, error)
        if not isinstance(stream_error, StreamUnavailable) and not self._is_early(error):
            raise stream_error from error
        logger.warning("%s: %s; trying again", self.shard_id, stream_error)
        self.due = self._clock() + READ_INTERVAL_SECONDS + backoff(self._failures, self._jitter)
        self._failures += 1

    def _is_early(self, error: Exception) -> bool:
        """Tell whether Kinesis refused a time that has not come yet by its own clock."""
        time = self.position.timestamp
        return (
            _code(error) == "InvalidArgumentException"
            and time is not None
            and time > self._now() - CLOCK_SKEW
        )


def _pages(client: KinesisReads, stream_name: str) -> Iterator[Mapping[str, Any]]:
    page = client.list_shards(StreamName=stream_name)
    yield page
    while token := page.get("NextToken"):
        # ListShards refuses a stream's name beside a token.
        page = client.list_shards(NextToken=token)
        yield page


def _stream_error(stream_name: str, error: Exception) -> StreamError:
    kind = StreamUnavailable if is_transient(error) else StreamError
    return kind(f"cannot read the stream {stream_name!r}: {error}")


def _code(error: Exception) -> str | None:
    return error.response["Error"].get("Code") if isinstance(error, ClientError) else None
