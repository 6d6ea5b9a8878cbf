"""The event source mapping: a stream's records invoke the function, as at Lambda.

Each shard is read in order, and a child shard only after its parents' records are finished, so that
the records of one partition key reach the function in order across a split or merge.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from types import TracebackType
from typing import Any, Protocol, Self

from local.event_source_mapping.batch_buffer import BatchBuffer
from local.event_source_mapping.batch_processor import BatchProcessor
from local.event_source_mapping.configuration import MappingConfiguration
from local.event_source_mapping.invocation_event import EventEncoder
from local.event_source_mapping.mapping_metrics import MappingMetrics, MappingSnapshot
from local.event_source_mapping.on_failure_destination import Destination, MappingIdentity
from local.event_source_mapping.shard_worker import Finished, ShardWorker
from local.function import Function, FunctionConfiguration
from streaming.errors import StreamUnavailable
from streaming.reader.checkpoints import LATEST, Checkpoints, Shard, StartingPosition
from streaming.reader.shard_reader import KinesisReads, ShardReader, list_shards
from streaming.retries import backoff


class StreamClient(KinesisReads, Protocol):
    """The calls of a boto3 Kinesis client that a mapping needs."""

    def describe_stream_summary(self, *, StreamName: str) -> Any:  # noqa: N803  AWS's names
        """Describe a stream: its ARN and how long it keeps a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time and chance, to be handed in.

    Attributes:
        clock: Seconds that only grow.
        now: The time of day.
        wait: Waits some seconds for an event; true if it is set.
        jitter: Draws evenly from 0 to 1.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    jitter: Callable[[], float] = random.random


class EventSourceMapping:
    """Invokes a function with a stream's records until it is stopped.

    Args:
        client: A boto3 Kinesis client; several threads use it.
        stream_name: The stream.
        function: The function; several threads invoke it.
        settings: The mapping's parameters.
        function_arn: The function's ARN, for the on-failure destination.
        destination: The on-failure destination: keeps the records that are given up. None: they
            are only logged.
        timing: Time and chance.

    Attributes:
        failure: What ended the mapping by itself, such as a deleted stream, or None.
    """

    def __init__(
        self,
        client: StreamClient,
        stream_name: str,
        function: Function,
        settings: MappingConfiguration | None = None,
        *,
        function_arn: str | None = None,
        destination: Destination | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.failure: Exception | None = None
        self._client = client
        self._stream_name = stream_name
        self._function = function
        self._settings = settings or MappingConfiguration()
        self._function_arn = function_arn or FunctionConfiguration().arn
        self._destination = destination
        self._timing = timing or Timing()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[str, ShardWorker] = {}
        self._metrics = MappingMetrics()
        self._checkpoints = Checkpoints(self._settings.starting_position, now=self._timing.now)

    def __enter__(self) -> Self:
        """Start the mapping."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the mapping."""
        self.stop()

    def start(self) -> None:
        """Begin with the shards whose turn it is, and return.

        With LATEST, every record that is put from now on reaches the function.

        Raises:
            StreamError: The stream cannot be read.
        """
        shards = list_shards(self._client, self._stream_name)
        answer = self._client.describe_stream_summary(StreamName=self._stream_name)
        stream = answer["StreamDescriptionSummary"]
        arn = stream["StreamARN"]
        self._encoder = EventEncoder(arn)
        self._retention = timedelta(hours=stream["RetentionPeriodHours"])
        self._identity = MappingIdentity(str(uuid.uuid4()), arn, self._function_arn)
        try:
            self._begin(shards)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Let each invocation under way end, and return when nothing is under way any more.

        A batch that waits to be tried again is left where it is: its records are behind the
        checkpoint.
        """
        self._stopping.set()
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.join()

    def snapshot(self) -> MappingSnapshot:
        """Return all counts and checkpoints of this moment."""
        with self._lock:
            checkpoints = self._checkpoints.save()
        return self._metrics.snapshot(checkpoints)

    def advance(self, shard_id: str, sequence_number: str) -> None:
        """See `ShardOwner`."""
        with self._lock:
            self._checkpoints.advance(shard_id, sequence_number)

    def end(self, reader: ShardReader) -> None:
        """See `ShardOwner`: the children's turn has come."""
        with self._lock:
            self._checkpoints.finish(reader.shard_id)
        self._metrics.forget_shard(reader.shard_id)
        # ListShards may not know the children yet; the parent's last GetRecords named them.
        self._begin([*reader.child_shards, *self._list_shards()])
        with self._lock:
            del self._workers[reader.shard_id]

    def fail(self, error: Exception) -> None:
        """See `ShardOwner`: stop everything, and keep the reason."""
        self.failure = error
        self._stopping.set()
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.wake()

    def _begin(self, shards: Iterable[Shard]) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            for shard_id, start in self._checkpoints.update(shards).items():
                worker = self._worker(shard_id, start)
                self._workers[shard_id] = worker
                worker.start()

    def _worker(self, shard_id: str, start: StartingPosition) -> ShardWorker:
        reader = ShardReader(
            self._client,
            self._stream_name,
            shard_id,
            start,
            clock=self._timing.clock,
            sleep=self._pause,
            jitter=self._timing.jitter,
            now=self._timing.now,
        )
        if start == LATEST:
            reader.open()
        lanes = [
            BatchBuffer(self._settings, self._timing.clock)
            for _ in range(self._settings.parallelization_factor)
        ]
        return ShardWorker(
            reader, self._encoder, lanes, self._processor, owner=self, stopping=self._stopping
        )

    def _processor(self, finished: Finished) -> BatchProcessor:
        return BatchProcessor(
            settings=self._settings,
            identity=self._identity,
            function=self._function,
            destination=self._destination,
            retention=self._retention,
            metrics=self._metrics,
            finished=finished,
            wait=self._pause,
            now=self._timing.now,
            jitter=self._timing.jitter,
        )

    def _list_shards(self) -> list[Shard]:
        for failures in count():
            try:
                return list_shards(self._client, self._stream_name)
            except StreamUnavailable:
                if self._pause(backoff(failures, self._timing.jitter)):
                    break
        return []

    def _pause(self, seconds: float) -> bool:
        return self._timing.wait(self._stopping, seconds)
