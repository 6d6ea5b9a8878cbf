"""One batch, start to end: user_records → events → predictions → the output stream.

Every payload is in the end published, skipped, dead-lettered or reported; nothing else can happen
to it, and the sum is checked. A batch goes through in slices, so that its memory has a limit
whatever its aggregates hold.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from streaming.consumer.batch import Batch
from streaming.consumer.records import UserRecord, kinesis_records, stream_name, user_records
from streaming.consumer.telemetry import Telemetry
from streaming.dead_letters import DeadLetters, dead_letter
from streaming.errors import (
    DeadLettersUnavailable,
    Poison,
    PredictionFailed,
    PredictionTooLarge,
)
from streaming.publisher import Entry, Publisher, entry_bytes
from streaming.timestamps import iso_utc

DEFAULT_BUDGET_SECONDS = 60.0
"""Time for a batch that comes without Lambda's context."""

ANSWER_SECONDS = 1.0
"""Time to finish up in when no call is made any more."""

SLICE_PAYLOADS = 1_000
"""Payloads in work at a time: two full calls of PutRecords. Larger slices are no faster, and after
full batches more memory stays resident: 8 MB at 2,000 (Python 3.13)."""

EventT = TypeVar("EventT")


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """A model's answer to one event.

    Attributes:
        partition_key: The key of its record on the output stream, 1 to 256 characters.
        value: What stands under `prediction`; anything that can be written as JSON.
    """

    partition_key: str
    value: Any


class Model(Protocol[EventT]):
    """All that a consumer asks of a model. Another model is another one of these, and nothing else.

    Attributes:
        name: What stands under `model` in a prediction's record.
        version: What stands under `version`.
        event_type: What stands under `event_type`.
    """

    name: str
    version: str
    event_type: str

    def decode(self, content: bytes, arrived_at: float) -> EventT | None:
        """Make an event of a payload.

        Args:
            content: The payload, unpacked.
            arrived_at: Its arrival on the stream, seconds since the epoch.

        Returns:
            The event; None if the payload is somebody else's.

        Raises:
            InvalidEvent: The payload can never be an event.
        """

    def predict(self, events: Sequence[EventT]) -> Sequence[Prediction]:
        """Predict a batch in one go: as many predictions as events, in their order.

        Whatever this raises, the batch is halved until the event that causes it stands alone. That
        one is poison, unless memory was short: then the invocation fails and Lambda tries again.

        Args:
            events: At least one.
        """


class PredictionRecord(msgspec.Struct, frozen=True, gc=False):
    """What is put on the output stream, one record for each prediction."""

    event_type: str
    event_id: str | None
    model: str
    version: str
    prediction: Any
    arrived_at: str


class Consumer(Generic[EventT]):
    """Takes the batches that Lambda hands over.

    Args:
        model: The model.
        publisher: Where predictions go; None: a test run, which answers them instead.
        dead_letters: Where poison goes; None: poison is reported as failed.
        telemetry: Where logs and metrics go.
        call_seconds: How long a call of AWS may take at most. Two fit between the deadline of
            publishing and that of the answer: the last PutRecords, and writing dead letters.
        now: Seconds since the epoch.
        clock: Seconds, never going back; the publisher's.
    """

    def __init__(
        self,
        model: Model[EventT],
        *,
        publisher: Publisher | None,
        dead_letters: DeadLetters | None,
        telemetry: Telemetry,
        call_seconds: float = 7.0,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._telemetry = telemetry
        self._margin = 2 * call_seconds + ANSWER_SECONDS
        self._now = now
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode

    def handle(self, event: Any, context: Any = None) -> dict[str, Any]:
        """Process one batch.

        Args:
            event: Lambda's Kinesis event.
            context: Lambda's context; None where there is none.

        Returns:
            Lambda's partial batch response: `batchItemFailures` holds the lowest sequence number
            that is not done, or nothing. The number is null, which fails the whole batch, if a
            record that is not done came without one. A test run's answer holds `predictions` too.

        Raises:
            UnexpectedEvent: The invocation is not a batch from a Kinesis stream.
            ReconciliationError: A bug; Lambda will retry the batch.
            MemoryError: Memory is short; the same.
        """
        started, now = self._clock(), self._now()
        records = kinesis_records(event)
        batch = Batch(stream_name(records), started + self._budget(context), now)
        for received in _slices(user_records(records, now)):
            batch.counts.received += len(received)
            batch.oldest = min(batch.oldest, *(payload.arrived_at for payload in received))
            if batch.publishing_stopped or self._clock() >= batch.deadline:
                self._telemetry.failure(f"{len(received)} user_records not begun: no time is left")
                batch.report(received)
            else:
                self._process(received, batch)

        batch.counts.check()
        self._telemetry.batch(
            batch.counts,
            latency=self._clock() - started,
            arrival_age=now - batch.oldest if records else None,
            request_id=getattr(context, "aws_request_id", None),
        )
        response: dict[str, Any] = {"batchItemFailures": batch.checkpoint()}
        if self._publisher is None:
            response["predictions"] = batch.answers
        return response

    def _budget(self, context: Any) -> float:
        """Give the seconds that publishing may take, so that the answer still comes in time."""
        if context is None:
            return DEFAULT_BUDGET_SECONDS
        remaining = float(context.get_remaining_time_in_millis()) / 1000
        if remaining >= 2 * self._margin:
            return remaining - self._margin
        # Then only calls that are quicker than they have to be leave time for the answer.
        self._telemetry.warning(
            f"{remaining:.1f} s are left of the function's timeout; {2 * self._margin:.0f} s are "
            "needed to answer in time whatever happens"
        )
        return remaining / 2

    def _process(self, received: Sequence[UserRecord], batch: Batch) -> None:
        events = self._decode(received, batch)
        answers = self._predict(events, batch) if events else []
        if self._publisher is None:
            batch.counts.published += len(answers)
            batch.answers += [msgspec.json.decode(entry["Data"]) for _, entry in answers]
        else:
            self._publish(self._publisher, answers, batch)
        if batch.poison:
            self._dead_letter(batch)

    def _decode(
        self, received: Sequence[UserRecord], batch: Batch
    ) -> list[tuple[UserRecord, EventT]]:
        decode = self._model.decode
        events: list[tuple[UserRecord, EventT]] = []
        for payload in received:
            try:
                event = decode(payload.content(), payload.arrived_at)
            except Poison as error:
                batch.poison.append((payload, error.bare()))
            except MemoryError:
                raise  # says nothing of the payload: Lambda tries the batch again
            except Exception as error:  # noqa: BLE001  a model may raise anything
                batch.poison.append((payload, _failure("decode", error)))
            else:
                if event is None:
                    batch.counts.skipped += 1
                else:
                    events.append((payload, event))
        return events

    def _predict(
        self, asked: Sequence[tuple[UserRecord, EventT]], batch: Batch
    ) -> list[tuple[UserRecord, Entry]]:
        """Predict all at once; if that fails, halve until whoever causes it stands alone."""
        try:
            return self._answer(asked)
        except Exception as error:
            if len(asked) == 1:
                if isinstance(error, MemoryError):
                    raise
                batch.poison.append((asked[0][0], _failure("predict", error)))
                return []
        middle = len(asked) // 2
        return [*self._predict(asked[:middle], batch), *self._predict(asked[middle:], batch)]

    def _answer(self, asked: Sequence[tuple[UserRecord, EventT]]) -> list[tuple[UserRecord, Entry]]:
        model, encode = self._model, self._encode
        predictions = model.predict([event for _, event in asked])
        if len(predictions) != len(asked):
            raise PredictionFailed(f"{len(predictions)} predictions for {len(asked)} events")
        return [
            (
                payload,
                {
                    "Data": encode(
                        PredictionRecord(
                            model.event_type,
                            payload.event_id,
                            model.name,
                            model.version,
                            prediction.value,
                            iso_utc(payload.arrived_at),
                        )
                    ),
                    "PartitionKey": _writable(prediction.partition_key),
                },
            )
            for (payload, _), prediction in zip(asked, predictions, strict=True)
        ]

    def _publish(
        self, publisher: Publisher, answers: Sequence[tuple[UserRecord, Entry]], batch: Batch
    ) -> None:
        published = publisher.publish([entry for _, entry in answers], batch.deadline)
        batch.counts.published += published.accepted
        batch.counts.retried += published.retried
        for position in published.unacceptable:
            payload, entry = answers[position]
            size, key = entry_bytes(entry), len(entry["PartitionKey"])
            error = PredictionTooLarge(f"{size} bytes under a partition key of {key} characters")
            batch.poison.append((payload, error))
        batch.report(answers[position][0] for position in published.refused)
        if published.refused:
            batch.publishing_stopped = True
            self._telemetry.failure(f"not published: {published.failure or 'out of time'}")

    def _dead_letter(self, batch: Batch) -> None:
        """Write poison to the dead letters; what cannot go there is not done."""
        poison, batch.poison = batch.poison, []
        self._telemetry.poison(poison)
        if self._dead_letters is not None:
            letters = [dead_letter(payload, batch.stream, error) for payload, error in poison]
            try:
                self._dead_letters.write(letters)
            except DeadLettersUnavailable as error:
                self._telemetry.failure(str(error))
            else:
                batch.counts.dead_lettered += len(letters)
                return
        batch.report(payload for payload, _ in poison)


def _slices(received: Iterator[UserRecord]) -> Iterator[list[UserRecord]]:
    while some := list(islice(received, SLICE_PAYLOADS)):
        yield some


def _writable(partition_key: str) -> str:
    """Refuse a key that has no UTF-8, before it fails the call that its whole batch is put with."""
    if not partition_key.isascii():
        partition_key.encode()
    return partition_key


def _failure(step: str, error: Exception) -> PredictionFailed:
    cause = type(error).__name__
    return PredictionFailed(f"{cause}: {error}", reason=f"{step} raised {cause}")
