"""Reading one shard, from a starting position to its shard end.

A shard is read with a shard iterator, which expires after five minutes. GetRecords returns records
and the next iterator, or no iterator at the shard end of a closed shard.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from streaming.aws_errors import describe_error
from streaming.errors import StreamError, StreamUnavailable
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, IteratorType, Shard, StartingPosition
from streaming.retries import backoff, error_code, is_transient

logger = logging.getLogger(__name__)

# GetRecords: at most five calls per second and shard, 10,000 records or 10 MiB per call
# (Kinesis Data Streams API reference, GetRecords).
READ_INTERVAL_SECONDS = 0.2
READ_LIMIT = 10_000

CLOCK_SKEW = timedelta(minutes=1)
"""How far this machine's clock may be ahead of Kinesis's clock."""


class KinesisReads(Protocol):
    """What reading needs of a boto3 Kinesis client."""

    def list_shards(self, *, StreamName: str = ..., NextToken: str = ...) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Return a page of `Shards`, and a `NextToken` if there are more."""

    def get_shard_iterator(
        self,
        *,
        StreamName: str,  # noqa: N803  AWS's name
        ShardId: str,  # noqa: N803  AWS's name
        ShardIteratorType: IteratorType,  # noqa: N803  AWS's name
        Timestamp: datetime = ...,  # noqa: N803  AWS's name
        StartingSequenceNumber: str = ...,  # noqa: N803  AWS's name
    ) -> Mapping[str, Any]:
        """Return a `ShardIterator`."""

    def get_records(self, *, ShardIterator: str, Limit: int) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Return `Records`, `NextShardIterator`, `MillisBehindLatest` and `ChildShards`."""


class StreamRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of a stream, or a user record of an aggregated one.

    Attributes:
        shard_id: The shard it was read from.
        sequence_number: A decimal number of up to 128 digits; orders the records of one shard. The
            user records of an aggregated record have the same.
        partition_key: The producer's.
        data: The data as it was put.
        arrived_at: Approximate arrival on the stream, in UTC, with milliseconds.
        sub_sequence_number: The place of a user record in an aggregated record, from 0; None if it
            is in none.
    """

    shard_id: str
    sequence_number: str
    partition_key: str
    data: bytes
    arrived_at: datetime
    sub_sequence_number: int | None = None

    @property
    def event_id(self) -> str:
        """The `eventID` that Lambda gives this record: `shardId:sequenceNumber`.

        A user record of an aggregated record has `:subSequenceNumber` behind it.
        """
        event_id = f"{self.shard_id}:{self.sequence_number}"
        if self.sub_sequence_number is None:
            return event_id
        return f"{event_id}:{self.sub_sequence_number}"


def list_shards(client: KinesisReads, stream_name: str) -> list[Shard]:
    """Return all shards of a stream, including closed ones that have not expired.

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
            for page in shard_pages(client, stream_name)
            for shard in page["Shards"]
        ]
    except Exception as error:  # botocore's parser may raise anything
        raise stream_error(stream_name, error) from error


class ShardReader:
    """Reads one shard in order, each record once.

    It respects the rate limit of GetRecords, renews an expired shard iterator, and retries after
    throttling and network failures, indefinitely.

    Args:
        client: A boto3 Kinesis client.
        stream_name: The stream.
        shard_id: The shard.
        start: The starting position.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds. A true return value means that the wait was
            interrupted (as with `threading.Event.wait`); then nothing is read.
        jitter: Returns a random number, uniform from 0 to 1.
        now: The current time.

    Attributes:
        position: Where the next read starts: after the last record returned, or at the starting
            position.
        due: When the next read may start, on the clock; an earlier read waits.
        finished: The shard was read to its shard end, or it has expired: Kinesis removes a closed
            shard with its last record.
        at_tip: The last read reached the tip of the shard.
        millis_behind_latest: From the last response; None before the first.
        child_shards: At the shard end, the child shards that Kinesis returned.
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
        """Get the shard iterator now, not at the first read: that fixes the position of LATEST.

        Raises:
            StreamError: The shard cannot be read.
        """
        try:
            self._get_iterator()
        except Exception as error:  # noqa: BLE001  as in `read`
            self._recover(error)

    def read(self, limit: int = READ_LIMIT) -> list[StreamRecord]:
        """Call GetRecords once, when it is due.

        Args:
            limit: The maximum number of records, 1 to 10,000.

        Returns:
            The next records, in order. Empty if there are none yet, if the wait was interrupted, or
            if the call failed and may be retried (the next read then waits longer).

        Raises:
            StreamError: The shard cannot be read.
        """
        wait = self.due - self._clock()
        if self.finished or (wait > 0 and self._sleep(wait)):
            return []
        try:
            iterator = self._iterator or self._get_iterator()
            response = self._client.get_records(ShardIterator=iterator, Limit=limit)
            return self._accept(response, limit)
        except Exception as error:  # noqa: BLE001  botocore's parser may raise anything
            self._recover(error)
            return []

    def _accept(self, response: Mapping[str, Any], limit: int) -> list[StreamRecord]:
        # Parse everything before changing any state: a malformed response must not lose records.
        records = [
            StreamRecord(
                self.shard_id,
                record["SequenceNumber"],
                record["PartitionKey"],
                record["Data"],
                record["ApproximateArrivalTimestamp"].astimezone(UTC),
            )
            for record in response["Records"]
        ]
        children = tuple(
            Shard(child["ShardId"], parents=tuple(child["ParentShards"]))
            for child in response.get("ChildShards") or ()
        )
        self._failures = 0
        self.due = self._clock() + READ_INTERVAL_SECONDS
        self._iterator = response.get("NextShardIterator")
        self.finished = not self._iterator
        self.millis_behind_latest = response.get("MillisBehindLatest")
        self.child_shards = children
        # A full response may end just before newer records of the same millisecond.
        self.at_tip = not self.millis_behind_latest and len(records) < limit
        if records:
            self.position = StartingPosition.after(records[-1].sequence_number)
        return records

    def _get_iterator(self) -> str:
        start = self.position
        if start == LATEST:
            # A renewed iterator must not skip what arrives from now on.
            self.position = StartingPosition.at(self._now())
        response = self._client.get_shard_iterator(
            StreamName=self._stream_name, ShardId=self.shard_id, **start.arguments()
        )
        self._iterator = str(response["ShardIterator"])
        return self._iterator

    def _recover(self, error: Exception) -> None:
        """Schedule a retry, or raise an error that a retry cannot fix."""
        self.at_tip = False
        self.due = self._clock() + READ_INTERVAL_SECONDS
        if error_code(error) == "ExpiredIteratorException":
            self._iterator = None
            return
        try:
            self._examine(error)
        except StreamUnavailable as unavailable:
            logger.warning("%s: %s; retrying", self.shard_id, unavailable)
            self.due += backoff(self._failures, self._jitter)
            self._failures += 1

    def _examine(self, error: Exception) -> None:
        """Finish the shard if it has expired, or raise the error of this package.

        Raises:
            StreamUnavailable: A retry may succeed.
            StreamError: It cannot.
        """
        failure = stream_error(self._stream_name, error)
        if error_code(error) == "ResourceNotFoundException":
            listed = list_shards(self._client, self._stream_name)
            if self.shard_id not in {shard.shard_id for shard in listed}:
                logger.warning("%s has expired; last position: %s", self.shard_id, self.position)
                self.finished = True
                return
            failure = StreamUnavailable(str(failure))
        elif self._is_in_the_future(error):
            failure = StreamUnavailable(str(failure))
        raise failure from error

    def _is_in_the_future(self, error: Exception) -> bool:
        """Return whether Kinesis rejected a timestamp that is in the future by its clock."""
        timestamp = self.position.timestamp
        return (
            error_code(error) == "InvalidArgumentException"
            and timestamp is not None
            and timestamp > self._now() - CLOCK_SKEW
        )


def shard_pages(client: KinesisReads, stream_name: str) -> Iterator[Mapping[str, Any]]:
    """Yield each response of ListShards, which holds at most 1,000 shards (API reference)."""
    page = client.list_shards(StreamName=stream_name)
    yield page
    while token := page.get("NextToken"):
        # ListShards rejects a stream name together with a token.
        page = client.list_shards(NextToken=token)
        yield page


def stream_error(stream_name: str, error: Exception) -> StreamError:
    """Return StreamUnavailable if the same call may succeed later, StreamError if not."""
    # A stream that is being created or resharded may be in use.
    passing = is_transient(error) or error_code(error) == "ResourceInUseException"
    kind = StreamUnavailable if passing else StreamError
    return kind(f"cannot read the stream {stream_name!r}: {describe_error(error)}")
