"""One soak: rides are put, predictions read, and every event reconciled."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice

from demo.producer import paced_batches
from demo.ride_generator import read_statistics
from streaming.errors import StreamError
from streaming.publisher import Entry, Publisher
from streaming.reader.checkpoints import FINISHED
from streaming.reader.stream_reader import StreamReader
from tests.soak.downstream import Downstream, Position
from tests.soak.environment import PREDICTIONS, RIDES, SoakConfig, SoakEnvironment, open_environment
from tests.soak.killed_archive_runs import ArchiveCheck, KilledArchive
from tests.soak.model_faults import injected_faults
from tests.soak.reconciliation import (
    Expected,
    StallWatch,
    digest,
    expect,
    reconcile,
)
from tests.soak.report import SoakResult, resent_entries
from tests.soak.stream_contents import read_stream
from tests.soak.workload import KinesisRecord, generate_records

PUT_SECONDS = 120.0
POLL_SECONDS = 0.2
PROGRESS_SECONDS = 10.0
JOIN_SECONDS = 2.0
INTERRUPTED_SECONDS = 15.0
"""After Ctrl-C or SIGTERM: three threads, the mapping and four processes get 2 s each at most."""

SETTLE_SECONDS = 60.0
"""How long the reader may take to reach the output stream's tip after the mapping has stopped."""


def run(config: SoakConfig, progress: Callable[[str], None]) -> SoakResult:
    """Run one soak.

    Args:
        config: What to run.
        progress: Called with lines for the user.

    Raises:
        LocalError: A process does not start.
        StreamError: A stream cannot be used, which no injected fault causes.
    """
    with open_environment(config) as environment:
        return _Soak(config, environment, progress).run()


class _Soak:
    def __init__(
        self, config: SoakConfig, environment: SoakEnvironment, progress: Callable[[str], None]
    ) -> None:
        self._config = config
        self._environment = environment
        self._progress = progress
        self._accepted: dict[bytes, KinesisRecord] = {}
        self._put_count = 0
        self._downstream = Downstream(
            self._open_reader, config.workload.seed, restart=config.restart_reader
        )
        self._stalls = StallWatch()
        self._archive = KilledArchive(
            config.folder / "archive", config.folder / "archive.log", config.workload.seed
        )
        self._over = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> SoakResult:
        environment = self._environment
        started = time.monotonic()
        environment.mapping.start()
        meanwhile = self._start_thread(lambda: self._config.meanwhile(environment.direct))
        threads = [
            meanwhile,
            self._start_thread(self._downstream.run),
            self._start_thread(self._watch),
        ]
        archive = self._start_thread(self._archive_both_streams)
        try:
            self._produce()
            put_seconds = time.monotonic() - started
            meanwhile.join()
            expected = expect(read_stream(environment.direct, RIDES), self._accepted)
            self._progress(f"{expected.events:,} events are on the stream; waiting for the rest")
            self._drain(expected)
            seconds = time.monotonic() - started
            checkpoints = environment.mapping.snapshot().checkpoints
            stuck = self._stalls.finish(time.monotonic(), checkpoints, expected.last)
            environment.injector.stop()
            environment.mapping.stop()
            written = self._settle()
            archived = self._archived(archive, expected)
        except KeyboardInterrupt:
            self._progress(f"Stopping, within {INTERRUPTED_SECONDS:.0f} s ...")
            raise
        finally:
            self._over.set()
            self._downstream.stop()
            self._archive.stop()
            for thread in (*threads, archive):
                thread.join(JOIN_SECONDS)
        self._raise_failure()
        environment.bucket.read_new()
        return self._result(
            expected,
            archived,
            written=written,
            stuck=stuck,
            put_seconds=put_seconds,
            seconds=seconds,
        )

    def _archive_both_streams(self) -> None:
        if self._config.archive:
            self._archive.run(self._environment.proxy.endpoint_url)

    def _archived(self, thread: threading.Thread, expected: Expected) -> ArchiveCheck | None:
        """Archive what is left, without faults, and compare the rows with the streams."""
        if not self._config.archive:
            return None
        self._archive.stop()
        thread.join()
        direct = self._environment.direct
        self._archive.finish(direct.meta.endpoint_url)
        return self._archive.check(expected, read_stream(direct, PREDICTIONS))

    def _result(
        self,
        expected: Expected,
        archived: ArchiveCheck | None,
        *,
        written: int,
        stuck: int,
        put_seconds: float,
        seconds: float,
    ) -> SoakResult:
        environment, downstream = self._environment, self._downstream
        proxy = environment.proxy.counts()
        return SoakResult(
            expected=expected,
            predictions=downstream.predictions,
            reconciliation=reconcile(expected, downstream.predictions, environment.bucket.data),
            put=self._put_count,
            written=written,
            read=downstream.records,
            duplicates=downstream.duplicates,
            mapping=environment.mapping.snapshot(),
            resent=resent_entries(self._config.function_log),
            longest_stall=self._stalls.longest,
            stuck_shards=stuck,
            calls=proxy["calls"],
            faults=proxy["faults"],
            process_faults={
                **environment.injector.injected,
                **environment.limits.exceeded,
                **injected_faults(self._config.function_log),
                **downstream.restarts,
                **self._archive.ends,
            },
            archived=archived,
            put_seconds=put_seconds,
            seconds=seconds,
        )

    def _produce(self) -> None:
        """Put the workload at its rate, as any producer with the project's publisher would."""
        workload = self._config.workload
        publisher = Publisher(self._environment.faulty, RIDES)
        records_per_second = self._config.rate / workload.events_per_record
        records = generate_records(workload, read_statistics())
        groups = self._until_time_is_up(records, math.ceil(records_per_second))
        for batch in paced_batches(groups, records_per_second, sleep=self._over.wait):
            entries = [Entry(Data=each.data, PartitionKey=each.key) for each in batch]
            published = publisher.publish(entries, time.monotonic() + PUT_SECONDS)
            if published.refused:
                raise StreamError(f"the producer cannot put records: {published.failure}")
            self._accepted |= {digest(each.data): each for each in batch}
            self._put_count += len(batch)
            self._raise_failure()

    def _until_time_is_up(
        self, records: Iterator[KinesisRecord], size: int
    ) -> Iterator[list[KinesisRecord]]:
        started = time.monotonic()
        while group := list(islice(records, size)):
            if self._config.seconds and time.monotonic() - started > self._config.seconds:
                return
            yield group

    def _open_reader(self, saved: Position, stopped: threading.Event) -> StreamReader:
        clock = self._environment.clock
        return StreamReader(
            self._environment.faulty,
            PREDICTIONS,
            saved=saved,
            stopped=stopped,
            now=lambda: datetime.fromtimestamp(clock.now(), UTC),
        )

    def _watch(self) -> None:
        due = time.monotonic() + PROGRESS_SECONDS
        while not self._over.wait(POLL_SECONDS):
            now = time.monotonic()
            snapshot = self._environment.mapping.snapshot()
            self._stalls.observe(now, snapshot.checkpoints)
            if now >= due:
                due = now + PROGRESS_SECONDS
                self._progress(
                    f"  records put {self._put_count:,} · predictions read"
                    f" {len(self._downstream.predictions):,}"
                    f" · duplicates {self._downstream.duplicates:,}"
                    f" · invocations {snapshot.invocations:,}"
                    f" · failed {snapshot.function_errors + snapshot.partial_failures:,}"
                )

    def _drain(self, expected: Expected) -> None:
        """Wait until every event is accounted for, or nothing has happened for the timeout."""
        bucket, predicted = self._environment.bucket, self._downstream.predicted
        before, since = (0, 0), time.monotonic()
        while time.monotonic() - since < self._config.timeout:
            self._over.wait(POLL_SECONDS)
            self._raise_failure()
            if len(predicted) >= len(expected.rides):
                bucket.read_new()
            done = (len(predicted), len(bucket.data))
            if done != before:
                before, since = done, time.monotonic()
            if (
                expected.rides.keys() <= predicted
                and expected.poison.keys() <= bucket.data.keys()
                and self._is_at_the_end(expected)
            ):
                return

    def _is_at_the_end(self, expected: Expected) -> bool:
        """Return whether every shard's checkpoint is at its last record."""
        checkpoints = self._environment.mapping.snapshot().checkpoints
        return all(
            checkpoints.get(shard_id) in (number, FINISHED)
            for shard_id, number in expected.last.items()
        )

    def _settle(self) -> int:
        """Let the reader reach the output stream's tip; return how many records are on it."""
        written = sum(1 for _ in read_stream(self._environment.direct, PREDICTIONS))
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._downstream.records < written:
            if time.monotonic() > deadline:
                break
            self._over.wait(POLL_SECONDS)
        return written

    def _raise_failure(self) -> None:
        failure = self._failure or self._environment.mapping.failure
        if failure is not None:
            raise failure

    def _start_thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=[work], daemon=True)
        thread.start()
        return thread

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  a thread's error ends the run, which reports it
            self._failure = error
