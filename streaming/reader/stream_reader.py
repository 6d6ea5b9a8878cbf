"""Reading a whole stream: every shard, in order by partition key, without duplicates.

    for record in StreamReader(kinesis_client(), "ride_predictions"):
        print(record.data)

Kinesis delivers at least once, and a producer that retries may put a record twice. Records whose
data is a JSON object with a string `event_id` are deduplicated by `event_id`, `model` and `stream`
(two functions may predict one event with different models, and the ids of two input streams may be
equal; either may be any JSON), within a window of recent events.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from streaming.errors import StreamError, StreamUnavailable
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, Checkpoints, Shard, StartingPosition
from streaming.reader.deaggregation import user_records
from streaming.reader.deduplication import RecentEvents
from streaming.reader.shard_reader import READ_LIMIT, ShardReader, StreamRecord, list_shards
from streaming.reader.stream_description import StreamReads, describe_stream
from streaming.retries import backoff

logger = logging.getLogger(__name__)

DUPLICATE_WINDOW = 100_000
LIST_INTERVAL_SECONDS = 1.0
"""How often shards are listed while there is none to read."""

CHECK_INTERVAL_SECONDS = 10.0
"""How often the stream is described and its shards are listed while it is read. An account may call
DescribeStreamSummary 20 times per second (Kinesis Data Streams API reference)."""

CREATED = "StreamCreationTimestamp"
"""The key in a `position` of the stream's creation time, beside the shards' checkpoints."""


class StreamReader:
    """A stream as an iterable of records, read in the caller's thread.

    An aggregated record (Kinesis Producer Library) is opened: its user records are returned, and
    its checkpoint moves on when the last of them is processed.

    A record counts as processed when the next one is requested, or when `checkpoint` is called: a
    program that saves `position` resumes with the record that it was processing when it ended.

    Iterating again continues after the last record returned. Memory holds one response to
    GetRecords (at most 10 MiB) and a digest of each event in the window.

    If the stream is deleted and created again, the new one is read from its beginning. Kinesis
    rejects the iterators of the earlier one; an emulator does not, and then the reader notices
    within 10 seconds, and returns records that it has already read of the new stream again. It
    needs the permission kinesis:DescribeStreamSummary for that.

    Args:
        client: A boto3 Kinesis client.
        stream_name: The stream.
        start: The starting position: TRIM_HORIZON, LATEST or a timestamp.
        saved: An earlier `position` to resume from; it takes precedence over `start`. It does not
            include the window of events: see `known`.
        follow: Wait for new records at the tip. If false, an iteration ends when every shard was
            read to its tip.
        stopped: Ends the iteration when it is set; `stop` sets it.
        limit: Maximum records per GetRecords, 1 to 10,000.
        duplicate_window: How many events are remembered for deduplication.
        known: Data of records whose events count as returned before, the oldest first.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds; by default `stopped.wait`.
        jitter: Returns a random number, uniform from 0 to 1.
        now: The current time, used if Kinesis's responses have no date.

    Attributes:
        duplicates: How many duplicates were dropped.

    Raises:
        ValueError: `start` is a sequence number, or `saved` is not a `position`.
    """

    def __init__(  # noqa: PLR0913  all but two have defaults, four are for time and randomness
        self,
        client: StreamReads,
        stream_name: str,
        start: StartingPosition = TRIM_HORIZON,
        *,
        saved: Mapping[str, str] | None = None,
        follow: bool = True,
        stopped: threading.Event | None = None,
        limit: int = READ_LIMIT,
        duplicate_window: int = DUPLICATE_WINDOW,
        known: Iterable[bytes] = (),
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
        self._recent = RecentEvents(duplicate_window)
        for data in known:
            self._recent.add(data)
        self._clock = clock
        self._sleep = sleep or self._stopped.wait
        self._jitter = jitter
        self._now = now
        shards = dict(saved or {})
        self._created = shards.pop(CREATED, None)
        self._kinesis_time = now()
        self._checkpoints = Checkpoints(start, shards, now=self._time)
        self._readers: dict[str, ShardReader] = {}
        self._children: list[Shard] = []
        self._pending: deque[StreamRecord] = deque()
        self._user_records: deque[StreamRecord] = deque()  # of one Kinesis record
        self._returned: StreamRecord | None = None  # and not yet processed
        self._opened = self._listed = False
        self._list_due = 0.0
        self._failures = 0

    @property
    def position(self) -> dict[str, str]:
        """The checkpoint of each shard after the last record processed; can be encoded as JSON.

        With it is the stream's creation time, so that a later reader recognises another stream of
        this name. Empty before the stream is opened.
        """
        checkpoints = self._checkpoints.save()
        if checkpoints and self._created is not None:
            checkpoints[CREATED] = self._created
        return checkpoints

    def checkpoint(self) -> None:
        """Count the last record returned as processed, before the next one is requested."""
        if self._returned is not None and not self._user_records:
            self._checkpoints.advance(self._returned.shard_id, self._returned.sequence_number)
        self._returned = None

    def stop(self) -> None:
        """End the iteration, from inside the loop or from another thread."""
        self._stopped.set()

    def open(self) -> None:
        """List the shards, and get their iterators if they are read from LATEST: that fixes it.

        Optional; otherwise the first iteration does it.

        Raises:
            StreamUnavailable: Throttled or unreachable.
            StreamError: There is no such stream, or it may not be read.
        """
        self._check_stream()
        shards = [*self._children, *list_shards(self._client, self._stream_name)]
        self._listed = self._opened = True
        self._list_due = self._clock() + CHECK_INTERVAL_SECONDS
        self._children.clear()
        readers = [
            self._shard_reader(shard_id, start)
            for shard_id, start in self._checkpoints.update(shards).items()
        ]
        self._readers |= {reader.shard_id: reader for reader in readers}
        for reader in readers:
            if reader.position == LATEST:
                reader.open()

    def __iter__(self) -> Iterator[StreamRecord]:
        """Yield the records; after throttling and network failures, retry.

        Raises:
            StreamUnavailable: The first calls were throttled or failed to reach Kinesis.
            StreamError: The stream or one of its shards cannot be read, or the stream was deleted.
        """
        self.checkpoint()
        if self._opened:
            self._request_list()
        else:
            self.open()
        at_tip: set[ShardReader] = set()
        while not self._stopped.is_set():
            if self._pending and not self._user_records:
                self._user_records.extend(user_records(self._pending.popleft()))
            if self._user_records:
                self._returned = self._user_records.popleft()
                if self._is_new(self._returned):
                    yield self._returned
                self.checkpoint()
                continue
            self._remove_finished()
            if self._clock() >= self._list_due:
                self._list_again()
            if reader := self._next_due(at_tip):
                self._pending.extend(self._read(reader))
                if reader.at_tip and not self._follow:
                    at_tip.add(reader)
            elif self._follow or not self._listed:
                self._wait_to_list()
            else:
                return

    def _next_due(self, excluded: set[ShardReader]) -> ShardReader | None:
        readers = (reader for reader in self._readers.values() if reader not in excluded)
        return min(readers, key=lambda reader: reader.due, default=None)

    def _read(self, reader: ShardReader) -> list[StreamRecord]:
        """Read a shard once; an error may mean that it belongs to an earlier stream."""
        try:
            return reader.read(self._limit)
        except StreamError:
            if not self._is_outdated(reader):
                raise
            return []

    def _is_outdated(self, reader: ShardReader) -> bool:
        """Return whether a shard that cannot be read is, or may be, one of an earlier stream."""
        try:
            self._check_stream()
        except StreamUnavailable:
            return True
        return reader.shard_id not in self._readers

    def _check_stream(self) -> None:
        """Describe the stream; start again if it is another one of the same name."""
        described = describe_stream(self._client, self._stream_name, self._now)
        self._kinesis_time = described.described_at
        if described.created is None:
            if not self._opened:
                logger.warning(
                    "%s may not be described: if it is created again, records are missed",
                    self._stream_name,
                )
            return
        if self._created not in (None, described.created):
            logger.warning(
                "the stream %r was created again at %s; reading it from its beginning",
                self._stream_name,
                described.created,
            )
            self._start_again()
        self._created = described.created

    def _start_again(self) -> None:
        # Event ids of the earlier stream may come again, for other events.
        self._recent.clear()
        self._checkpoints = Checkpoints(TRIM_HORIZON)
        self._readers.clear()
        self._children.clear()
        self._returned = None
        self._request_list()

    def _is_new(self, record: StreamRecord) -> bool:
        if self._recent.add(record.data):
            return True
        self.duplicates += 1
        return False

    def _remove_finished(self) -> None:
        """Remove readers that reached the shard end; child shards may now be read."""
        for reader in [reader for reader in self._readers.values() if reader.finished]:
            del self._readers[reader.shard_id]
            self._checkpoints.finish(reader.shard_id)
            self._children.extend(reader.child_shards)
            self._request_list()

    def _request_list(self) -> None:
        self._listed = False
        self._list_due = self._clock()

    def _list_again(self) -> None:
        try:
            self.open()
        except StreamUnavailable as error:
            logger.warning("%s; retrying", error)
            self._list_due = self._clock() + backoff(self._failures, self._jitter)
            self._failures += 1
        else:
            self._failures = 0

    def _wait_to_list(self) -> None:
        """Wait until the shards are listed again, since there is none to read."""
        now = self._clock()
        self._list_due = min(self._list_due, now + LIST_INTERVAL_SECONDS)
        self._sleep(max(0.0, self._list_due - now))

    def _time(self) -> datetime:
        return self._kinesis_time

    def _shard_reader(self, shard_id: str, start: StartingPosition) -> ShardReader:
        return ShardReader(
            self._client,
            self._stream_name,
            shard_id,
            start,
            clock=self._clock,
            sleep=self._sleep,
            jitter=self._jitter,
            now=self._time,
        )
