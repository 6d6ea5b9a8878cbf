"""The event source mapping: invokes the function with a stream's records, as Lambda does.

Stopped and started again, it resumes after its checkpoints, like a mapping that is disabled and
enabled.

Each shard is read in order, and a child shard only after its parents' records are finished, so that
the records of one partition key reach the function in order across a split or merge.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Self

from local.event_source_mapping.batch_buffer import BatchBuffer
from local.event_source_mapping.batch_processor import BatchProcessor
from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.filter_criteria import FilterCriteria
from local.event_source_mapping.invocation_event import EventEncoder
from local.event_source_mapping.invoker import Invoker, PlainEvents
from local.event_source_mapping.mapping_metrics import MappingMetrics, MappingSnapshot
from local.event_source_mapping.on_failure_destination import Destination, MappingIdentity
from local.event_source_mapping.retry_policy import RetryPolicy
from local.event_source_mapping.shard_worker import OnFinished, Processor, ShardWorker
from local.event_source_mapping.tumbling_window import TumblingWindow, WindowedProcessor
from local.function import Function, FunctionConfiguration
from streaming.errors import SettingsError, StreamUnavailable
from streaming.reader.checkpoints import LATEST, Checkpoints, Shard, StartingPosition
from streaming.reader.shard_reader import ShardReader, StreamRecord, list_shards, stream_error
from streaming.reader.stream_description import StreamReads, response_date
from streaming.retries import backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clocks, waiting and randomness, so that a test can replace them.

    Attributes:
        clock: Monotonic seconds.
        now: The time of day.
        wait: Waits for an event, at most some seconds; returns whether it is set.
        jitter: Returns a random number, uniform from 0 to 1.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    jitter: Callable[[], float] = random.random


class EventSourceMapping:
    """Invokes a function with a stream's records until it is stopped.

    Args:
        client: A boto3 Kinesis client; several threads use it.
        stream_name: The stream. A consumer's ARN is refused: SubscribeToShard, enhanced fan-out, is
            not implemented, and no emulator that can be installed has it.
        function: The function; several threads invoke it.
        configuration: Default: AWS's defaults.
        function_arn: The function's ARN, for the on-failure destination.
        destination: The on-failure destination: stores discarded records. None: they are only
            logged.
        timing: Replaced in tests.

    Raises:
        SettingsError: `stream_name` is a consumer's ARN.

    Attributes:
        failure: The error that ended the mapping, such as a deleted stream, or None.
    """

    def __init__(
        self,
        client: StreamReads,
        stream_name: str,
        function: Function,
        configuration: EventSourceMappingConfiguration | None = None,
        *,
        function_arn: str | None = None,
        destination: Destination | None = None,
        timing: Timing | None = None,
    ) -> None:
        if "/consumer/" in stream_name:
            raise SettingsError(
                "EventSourceArn",
                stream_name,
                "a stream; enhanced fan-out (SubscribeToShard) is not available here",
            )
        self.failure: Exception | None = None
        self._client = client
        self._stream_name = stream_name
        self._function = function
        self._configuration = configuration or EventSourceMappingConfiguration()
        self._function_arn = function_arn or FunctionConfiguration().arn
        self._destination = destination
        self._timing = timing or Timing()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[str, ShardWorker] = {}
        self._metrics = MappingMetrics()
        self._filter = FilterCriteria(self._configuration.filter_criteria)
        self._started_at = self._timing.now()
        self._checkpoints = self._resumed({})
        self._windows: dict[str, TumblingWindow] = {}
        self._uuid = str(uuid.uuid4())

    def __enter__(self) -> Self:
        """Start the mapping."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the mapping."""
        self.stop()

    def start(self) -> None:
        """Start reading the shards without unfinished parents, and return.

        With LATEST, every record that is put from now on, by Kinesis's clock, reaches the function.
        After a `stop`, reading resumes after the checkpoints, and records put in between reach the
        function.

        Raises:
            StreamError: The stream cannot be read.
        """
        self.failure = None
        self._stopping.clear()
        shards = list_shards(self._client, self._stream_name)
        response = self._describe()
        self._started_at = response_date(response) or self._timing.now()
        self._checkpoints = self._resumed(self._checkpoints.save())
        stream = response["StreamDescriptionSummary"]
        arn = stream["StreamARN"]
        self._encoder = EventEncoder(arn)
        self._retention = timedelta(hours=stream["RetentionPeriodHours"])
        self._identity = MappingIdentity(self._uuid, arn, self._function_arn)
        try:
            self._begin(shards)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout: float | None = None) -> None:
        """Wait until the invocations in progress have ended, and stop.

        A batch that waits for a retry is not sent again: its records are after the checkpoint.

        Args:
            timeout: How many seconds to wait; None: as long as the invocations take.
        """
        self._stopping.set()
        with self._lock:
            workers = list(self._workers.values())
        deadline = None if timeout is None else time.monotonic() + timeout
        for worker in workers:
            worker.join(deadline)
        with self._lock:
            self._workers.clear()

    def snapshot(self) -> MappingSnapshot:
        """Return the metrics and checkpoints of this moment."""
        with self._lock:
            checkpoints = self._checkpoints.save()
        return self._metrics.snapshot(checkpoints)

    def checkpoint(self, shard_id: str, sequence_number: str) -> None:
        """See `ShardListener`."""
        with self._lock:
            self._checkpoints.advance(shard_id, sequence_number)

    def shard_end(self, reader: ShardReader) -> None:
        """See `ShardListener`; starts the child shards."""
        with self._lock:
            self._checkpoints.finish(reader.shard_id)
        self._metrics.forget_shard(reader.shard_id)
        self._windows.pop(reader.shard_id, None)
        # ListShards may not list the children yet; the parent's last GetRecords did.
        self._begin([*reader.child_shards, *self._list_shards()])
        with self._lock:
            del self._workers[reader.shard_id]

    def fail(self, error: Exception) -> None:
        """See `ShardListener`; stops the mapping and keeps the error."""
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
            now=lambda: self._started_at,
        )
        if start == LATEST:
            reader.open()
        buffers = [
            BatchBuffer(self._configuration, self._timing.clock)
            for _ in range(self._configuration.parallelization_factor)
        ]
        return ShardWorker(
            reader,
            self._encoder,
            buffers,
            lambda on_finished: self._processor(shard_id, on_finished),
            accepts=self._accepts,
            listener=self,
            stopping=self._stopping,
        )

    def _accepts(self, record: StreamRecord) -> bool:
        accepted = self._filter.matches(record)
        if not accepted:
            self._metrics.add("records_filtered")
        return accepted

    def _processor(self, shard_id: str, on_finished: OnFinished) -> Processor:
        policy = RetryPolicy(
            configuration=self._configuration,
            retention=self._retention,
            wait=self._pause,
            now=self._timing.now,
            jitter=self._timing.jitter,
        )
        window = self._window(shard_id)
        invoker = Invoker(
            configuration=self._configuration,
            function=self._function,
            events=window or PlainEvents(),
            metrics=self._metrics,
            now=self._timing.now,
        )
        processor = BatchProcessor(
            policy=policy,
            invoker=invoker,
            identity=self._identity,
            destination=self._destination,
            metrics=self._metrics,
            on_finished=on_finished,
        )
        return WindowedProcessor(processor, window, invoker, policy) if window else processor

    def _window(self, shard_id: str) -> TumblingWindow | None:
        """Return the shard's window, which a stop leaves open; None without tumbling windows."""
        seconds = self._configuration.tumbling_window_in_seconds
        if not seconds:
            return None
        window = TumblingWindow(seconds, shard_id, self._identity.stream_arn)
        return self._windows.setdefault(shard_id, window)

    def _resumed(self, saved: Mapping[str, str]) -> Checkpoints:
        start = self._configuration.starting_position
        return Checkpoints(start, saved, now=lambda: self._started_at)

    def _describe(self) -> Mapping[str, Any]:
        try:
            return self._client.describe_stream_summary(StreamName=self._stream_name)
        except Exception as error:  # botocore's parser may raise anything
            raise stream_error(self._stream_name, error) from error

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
