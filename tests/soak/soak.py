"""One soak: rides are put, read back as predictions, and every event is accounted for."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import msgspec

from demo.producer import paced_batches
from demo.ride_generator import read_statistics
from streaming.errors import StreamError
from streaming.publisher import Entry, Publisher
from streaming.reader.checkpoints import FINISHED
from streaming.reader.stream_reader import StreamReader
from tests.soak.aws_contents import read_stream
from tests.soak.environment import PREDICTIONS, RIDES, SoakConfig, SoakEnvironment, open_environment
from tests.soak.reconciliation import (
    Answer,
    Expected,
    PutRecordsLog,
    StallWatch,
    expect,
    judge,
)
from tests.soak.result import Result, resent
from tests.soak.workload import KinesisRecord, kinesis_records_of

PUT_SECONDS = 120.0
LOOK_SECONDS = 0.2
TELL_SECONDS = 10.0
SETTLE_SECONDS = 60.0
"""How long the reader may take for what is on the output stream when the mapping has stopped."""

NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class _Values(msgspec.Struct):
    ride_id: int
    ride_duration: NotNegative
    ride_tip: NotNegative | msgspec.UnsetType = msgspec.UNSET


class _Prediction(msgspec.Struct):
    prediction: _Values
    event_id: str | None = None


UNREADABLE = Answer(None, -1)
"""Stands for a prediction that breaks the contract; no ride has this id."""


def run(setup: SoakConfig, say: Callable[[str], None]) -> Result:
    """Run one soak.

    Args:
        setup: What to run.
        say: Tells the user how it goes.

    Raises:
        LocalError: Something does not start.
        StreamError: A stream cannot be used, which no fault of the soak brings about.
    """
    with open_environment(setup) as stage:
        return _Soak(setup, stage, say).run()


class _Soak:
    def __init__(
        self, setup: SoakConfig, stage: SoakEnvironment, say: Callable[[str], None]
    ) -> None:
        self._setup = setup
        self._stage = stage
        self._say = say
        self._put = PutRecordsLog()
        self._put_count = 0
        self._answers: list[Answer] = []
        self._answered: set[str | int] = set()
        self._reader = StreamReader(
            stage.faulty,
            PREDICTIONS,
            now=lambda: datetime.fromtimestamp(stage.clock.now(), UTC),
        )
        self._stalls = StallWatch()
        self._over = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> Result:
        started = time.monotonic()
        self._stage.mapping.start()
        background = [self._read, self._watch]
        if self._setup.meanwhile is not None:
            background.append(self._meanwhile)
        threads = [
            threading.Thread(target=self._guarded, args=[work], daemon=True) for work in background
        ]
        for thread in threads:
            thread.start()
        try:
            self._produce()
            put_seconds = time.monotonic() - started
            if self._setup.meanwhile is not None:
                threads[-1].join()
            expected = expect(read_stream(self._stage.direct, RIDES), self._put)
            self._say(f"{expected.events:,} events are on the stream; waiting for the rest ...")
            self._drain(expected)
            seconds = time.monotonic() - started
            checkpoints = self._stage.mapping.snapshot().checkpoints
            stuck = self._stalls.finish(time.monotonic(), checkpoints, expected.last)
            self._stage.process_faults.end()
            self._stage.mapping.stop()
            written = self._settle()
        finally:
            self._over.set()
            self._reader.stop()
            for thread in threads:
                thread.join()
        self._check()
        self._stage.bucket.look()
        return self._result(
            expected, written=written, stuck=stuck, put_seconds=put_seconds, seconds=seconds
        )

    def _result(
        self, expected: Expected, *, written: int, stuck: int, put_seconds: float, seconds: float
    ) -> Result:
        proxy = self._stage.proxy.counts()
        return Result(
            expected=expected,
            answers=self._answers,
            verdict=judge(expected, self._answers, self._stage.bucket.payloads),
            put=self._put_count,
            written=written,
            duplicates=self._reader.duplicates,
            dead_letter_doubles=self._stage.bucket.doubles,
            mapping=self._stage.mapping.snapshot(),
            resent=resent(self._setup.function_log),
            longest_stall=self._stalls.longest,
            stuck_shards=stuck,
            calls=proxy["calls"],
            faults=proxy["faults"],
            process_faults=dict(self._stage.process_faults.done),
            put_seconds=put_seconds,
            seconds=seconds,
        )

    def _produce(self) -> None:
        """Put the workload at its rate, as any producer with the project's publisher would."""
        workload = self._setup.workload
        publisher = Publisher(self._stage.faulty, RIDES)
        records_per_second = self._setup.rate / workload.events_per_record
        drawn = kinesis_records_of(workload, read_statistics())
        groups = self._until_time_is_up(drawn, math.ceil(records_per_second))
        for batch in paced_batches(groups, records_per_second, sleep=self._over.wait):
            entries = [Entry(Data=each.data, PartitionKey=each.key) for each in batch]
            outcome = publisher.publish(entries, time.monotonic() + PUT_SECONDS)
            if outcome.refused:
                raise StreamError(f"the producer cannot put: {outcome.failure}")
            self._put.add(batch)
            self._put_count += len(batch)
            self._check()

    def _until_time_is_up(
        self, drawn: Iterator[KinesisRecord], size: int
    ) -> Iterator[list[KinesisRecord]]:
        started = time.monotonic()
        while group := list(islice(drawn, size)):
            if self._setup.seconds and time.monotonic() - started > self._setup.seconds:
                return
            yield group

    def _read(self) -> None:
        for record in self._reader:
            answer = UNREADABLE
            with suppress(msgspec.MsgspecError):
                event = msgspec.json.decode(record.data, type=_Prediction)
                answer = Answer(event.event_id, event.prediction.ride_id)
            self._answers.append(answer)
            self._answered.add(answer.event_id or answer.ride_id)

    def _watch(self) -> None:
        tell = time.monotonic() + TELL_SECONDS
        while not self._over.wait(LOOK_SECONDS):
            now = time.monotonic()
            snapshot = self._stage.mapping.snapshot()
            self._stalls.look(now, snapshot.checkpoints)
            if now >= tell:
                tell = now + TELL_SECONDS
                self._say(
                    f"  records put {self._put_count:,} · predictions read {len(self._answers):,}"
                    f" · duplicates {self._reader.duplicates:,}"
                    f" · invocations {snapshot.invocations:,}"
                    f" · failed {snapshot.function_errors + snapshot.partial_failures:,}"
                )

    def _meanwhile(self) -> None:
        if self._setup.meanwhile is not None:
            self._setup.meanwhile(self._stage.direct)

    def _drain(self, expected: Expected) -> None:
        """Wait until everything is answered, or nothing has happened for a long time."""
        bucket = self._stage.bucket
        progress, since = (0, 0), time.monotonic()
        while time.monotonic() - since < self._setup.timeout:
            self._over.wait(LOOK_SECONDS)
            self._check()
            if len(self._answered) >= len(expected.rides):
                bucket.look()
            now = (len(self._answered), len(bucket.payloads))
            if now != progress:
                progress, since = now, time.monotonic()
            if (
                expected.rides.keys() <= self._answered
                and expected.poison.keys() <= bucket.payloads.keys()
                and self._is_at_the_end(expected)
            ):
                return

    def _is_at_the_end(self, expected: Expected) -> bool:
        """Tell whether every record is behind its shard's checkpoint."""
        checkpoints = self._stage.mapping.snapshot().checkpoints
        return all(
            checkpoints.get(shard_id) in (number, FINISHED)
            for shard_id, number in expected.last.items()
        )

    def _settle(self) -> int:
        """Let the reader come to the output stream's tip; give how many records stand there."""
        written = sum(1 for _ in read_stream(self._stage.direct, PREDICTIONS))
        deadline = time.monotonic() + SETTLE_SECONDS
        while len(self._answers) + self._reader.duplicates < written:
            if time.monotonic() > deadline:
                break
            self._over.wait(LOOK_SECONDS)
        return written

    def _check(self) -> None:
        failure = self._failure or self._stage.mapping.failure
        if failure is not None:
            raise failure

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  a thread's error ends the run, which reports it
            self._failure = error
