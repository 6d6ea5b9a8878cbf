"""Reading a whole stream: every shard, in order by partition key, without duplicates.

    for record in StreamReader(kinesis_client(), "ride_predictions"):
        print(record.data)

Kinesis delivers at least once, and a producer that retries may put a record twice. Records whose
data is a JSON object with a string `event_id` are deduplicated by `event_id` and `model` (two
functions may predict one event with different models), within a window of recent events.
"""

import logging
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from streaming.errors import StreamUnavailable
from streaming.reader.checkpoints import TRIM_HORIZON, Checkpoints, Shard, StartingPosition
from streaming.reader.shard_reader import (
    READ_LIMIT,
    KinesisReads,
    ShardReader,
    StreamRecord,
    list_shards,
)
from streaming.retries import backoff

logger = logging.getLogger(__name__)

DUPLICATE_WINDOW = 100_000
LIST_INTERVAL_SECONDS = 1.0

Identity = tuple[str | None, str | None]
"""Event id and model."""


class StreamReader:
    """A stream as an iterable of records, read in the caller's thread.

    Iterating again continues where the last iteration ended. Memory holds one response to
    GetRecords (at most 10 MiB) and the window of event ids.

    Args:
        client: A boto3 Kinesis client.
        stream_name: The stream.
        start: The starting position: TRIM_HORIZON, LATEST or a timestamp.
        saved: An earlier `position` to resume from; it takes precedence over `start`. It does not
            include the window of event ids.
        follow: Wait for new records at the tip. If false, an iteration ends when every shard was
            read to its tip.
        stopped: Ends the iteration when it is set; `stop` sets it.
        limit: Maximum records per GetRecords, 1 to 10,000.
        duplicate_window: How many events are remembered for deduplication.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds; by default `stopped.wait`.
        jitter: Returns a random number, uniform from 0 to 1.
        now: The current time.

    Attributes:
        duplicates: How many duplicates were dropped.

    Raises:
        ValueError: `start` is a sequence number, or `saved` is not a `position`.
    """

    def __init__(  # noqa: PLR0913  all but two have defaults, four are for time and randomness
        self,
        client: KinesisReads,
        stream_name: str,
        start: StartingPosition = TRIM_HORIZON,
        *,
        saved: Mapping[str, str] | None = None,
        follow: bool = True,
        stopped: threading.Event | None = None,
        limit: int = READ_LIMIT,
        duplicate_window: int = DUPLICATE_WINDOW,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.duplicates = 0
        self._client = client
        self._stream_name = stream_name
        self._follow = follow
        self._stopped = stopped or threading.Event()
        self._limit = limit
        self._recent = _RecentIds(duplicate_window)
        self._clock = clock
        self._sleep = sleep or self._stopped.wait
        self._jitter = jitter
        self._now = now
        self._checkpoints = Checkpoints(start, saved, now=now)
        self._readers: dict[str, ShardReader] = {}
        self._children: list[Shard] = []
        self._pending: deque[StreamRecord] = deque()
        self._opened = self._listed = False
        self._failures = 0

    @property
    def position(self) -> dict[str, str]:
        """The checkpoint of each shard after the last record returned; can be encoded as JSON.

        Empty before the stream is opened.
        """
        return self._checkpoints.save()

    def stop(self) -> None:
        """End the iteration, from inside the loop or from another thread."""
        self._stopped.set()

    def open(self) -> None:
        """List the shards and get their iterators now: that fixes the position of LATEST.

        Optional; otherwise the first iteration does it.

        Raises:
            StreamUnavailable: Throttled or unreachable.
            StreamError: There is no such stream, or it may not be read.
        """
        shards = [*self._children, *list_shards(self._client, self._stream_name)]
        self._listed = self._opened = True
        self._children.clear()
        readers = [
            self._shard_reader(shard_id, start)
            for shard_id, start in self._checkpoints.update(shards).items()
        ]
        self._readers |= {reader.shard_id: reader for reader in readers}
        for reader in readers:
            reader.open()

    def __iter__(self) -> Iterator[StreamRecord]:
        """Yield the records; after throttling and network failures, retry.

        Raises:
            StreamUnavailable: The first ListShards was throttled or failed to reach Kinesis.
            StreamError: The stream or one of its shards cannot be read.
        """
        if not self._opened:
            self.open()
        at_tip: set[str] = set()
        while not self._stopped.is_set():
            if self._pending:
                record = self._pending.popleft()
                self._checkpoints.advance(record.shard_id, record.sequence_number)
                if self._is_new(record):
                    yield record
                continue
            self._remove_finished()
            if not self._listed:
                self._list_again()
            if reader := self._next_due(at_tip):
                self._pending.extend(reader.read(self._limit))
                if reader.at_tip and not self._follow:
                    at_tip.add(reader.shard_id)
            elif self._follow:
                self._sleep(LIST_INTERVAL_SECONDS)
                self._listed = False
            elif self._listed:
                return

    def _next_due(self, excluded: set[str]) -> ShardReader | None:
        readers = (r for r in self._readers.values() if r.shard_id not in excluded)
        return min(readers, key=lambda reader: reader.due, default=None)

    def _is_new(self, record: StreamRecord) -> bool:
        identity = _identity(record.data)
        if identity is None or self._recent.add(identity):
            return True
        self.duplicates += 1
        return False

    def _remove_finished(self) -> None:
        """Remove readers that reached the shard end; child shards may now be read."""
        for reader in [reader for reader in self._readers.values() if reader.finished]:
            del self._readers[reader.shard_id]
            self._checkpoints.finish(reader.shard_id)
            self._children.extend(reader.child_shards)
            self._listed = False

    def _list_again(self) -> None:
        try:
            self.open()
        except StreamUnavailable as error:
            logger.warning("%s; retrying", error)
            self._sleep(backoff(self._failures, self._jitter))
            self._failures += 1
        else:
            self._failures = 0

    def _shard_reader(self, shard_id: str, start: StartingPosition) -> ShardReader:
        return ShardReader(
            self._client,
            self._stream_name,
            shard_id,
            start,
            clock=self._clock,
            sleep=self._sleep,
            jitter=self._jitter,
            now=self._now,
        )


class _RecentIds:
    """The most recent events."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._ids: OrderedDict[Identity, None] = OrderedDict()

    def add(self, identity: Identity) -> bool:
        """Add an event; return whether it is new."""
        if identity in self._ids:
            return False
        self._ids[identity] = None
        if len(self._ids) > self._window:
            self._ids.popitem(last=False)
        return True


class _Identified(msgspec.Struct):
    event_id: str | None = None
    model: str | None = None


_decode = msgspec.json.Decoder(_Identified).decode


def _identity(data: bytes) -> Identity | None:
    try:
        found = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # a stream may carry any data; without an event id it is not deduplicated
    return None if found.event_id is None else (found.event_id, found.model)
