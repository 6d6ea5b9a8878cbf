"""One batch, start to end: payloads → events → predictions → the output stream.

Every payload is in the end published, skipped, dead-lettered or reported; nothing else can happen
to it, and the sum is checked.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from streaming.accounts import Accounts
from streaming.dead_letters import DeadLetters, dead_letter
from streaming.errors import (
    DeadLettersUnavailable,
    Poison,
    PredictionFailed,
    PredictionTooLarge,
)
from streaming.publisher import Entry, Publisher, entry_bytes
from streaming.records import Payload, kinesis_records, payloads, stream_name
from streaming.telemetry import Telemetry
from streaming.timestamps import iso_utc

DEFAULT_BUDGET_SECONDS = 60.0
"""Time for a batch that comes without Lambda's context."""

ANSWER_MARGIN_SECONDS = 8.0
"""Kept free at the end: the last call may run into its time-out, then dead letters are written."""

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

        Whatever this raises, the batch is halved until the event that causes it stands alone.

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


@dataclass(slots=True)
class _Batch:
    """What is found out about a batch on its way.

    Attributes:
        accounts: The sums.
        poison: Payloads that can never succeed.
        undone: Payloads that Lambda must be told of.
    """

    accounts: Accounts
    poison: list[tuple[Payload, Poison]] = field(default_factory=list)
    undone: list[Payload] = field(default_factory=list)


class Consumer(Generic[EventT]):
    """Takes the batches that Lambda hands over.

    Args:
        model: The model.
        publisher: Where predictions go; None: a test run, which answers them instead.
        dead_letters: Where poison goes; None: poison is reported as failed.
        telemetry: Where logs and metrics go.
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
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._telemetry = telemetry
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
            AccountingError: A bug; Lambda will retry the batch.
        """
        started, now = self._clock(), self._now()
        records = kinesis_records(event)
        received = payloads(records, now)
        batch = _Batch(Accounts(received=len(received)))

        events = self._decode(received, batch)
        answers = self._predict(events, batch) if events else []
        if self._publisher is None:
            batch.accounts.published = len(answers)
        else:
            self._publish(self._publisher, answers, started + _budget(context), batch)
        if batch.poison:
            self._bury(stream_name(records), batch)

        batch.accounts.reported = len(batch.undone)
        batch.accounts.check()
        self._telemetry.batch(
            batch.accounts,
            latency=self._clock() - started,
            arrival_age=now - min(payload.arrived_at for payload in received) if received else None,
            request_id=getattr(context, "aws_request_id", None),
        )
        response: dict[str, Any] = {"batchItemFailures": _checkpoint(batch.undone)}
        if self._publisher is None:
            response["predictions"] = [msgspec.json.decode(entry["Data"]) for _, entry in answers]
        return response

    def _decode(self, received: Sequence[Payload], batch: _Batch) -> list[tuple[Payload, EventT]]:
        decode = self._model.decode
        events: list[tuple[Payload, EventT]] = []
        for payload in received:
            try:
                event = decode(payload.content(), payload.arrived_at)
            except Poison as error:
                batch.poison.append((payload, error))
                continue
            if event is None:
                batch.accounts.skipped += 1
            else:
                events.append((payload, event))
        return events

    def _predict(
        self, asked: Sequence[tuple[Payload, EventT]], batch: _Batch
    ) -> list[tuple[Payload, Entry]]:
        """Predict all at once; if that fails, halve until whoever causes it stands alone."""
        try:
            return self._answer(asked)
        except Exception as error:  # noqa: BLE001  a model may raise anything
            if len(asked) == 1:
                cause = type(error).__name__
                poison = PredictionFailed(f"{cause}: {error}", reason=f"predict raised {cause}")
                batch.poison.append((asked[0][0], poison))
                return []
        middle = len(asked) // 2
        return [*self._predict(asked[:middle], batch), *self._predict(asked[middle:], batch)]

    def _answer(self, asked: Sequence[tuple[Payload, EventT]]) -> list[tuple[Payload, Entry]]:
        model, encode = self._model, self._encode
        predictions = model.predict([event for _, event in asked])
        if len(predictions) != len(asked):
            raise PredictionFailed(f"{len(predictions)} predictions for {len(asked)} events")
        return [
            (
                payload,
                Entry(
                    Data=encode(
                        PredictionRecord(
                            model.event_type,
                            payload.event_id,
                            model.name,
                            model.version,
                            prediction.value,
                            iso_utc(payload.arrived_at),
                        )
                    ),
                    PartitionKey=prediction.partition_key,
                ),
            )
            for (payload, _), prediction in zip(asked, predictions, strict=True)
        ]

    def _publish(
        self,
        publisher: Publisher,
        answers: Sequence[tuple[Payload, Entry]],
        deadline: float,
        batch: _Batch,
    ) -> None:
        published = publisher.publish([entry for _, entry in answers], deadline)
        batch.accounts.published = published.accepted
        batch.accounts.retried = published.retried
        for position in published.unacceptable:
            payload, entry = answers[position]
            size, key = entry_bytes(entry), len(entry["PartitionKey"])
            poison = PredictionTooLarge(f"{size} bytes under a partition key of {key} characters")
            batch.poison.append((payload, poison))
        batch.undone += [answers[position][0] for position in published.refused]
        if published.refused:
            self._telemetry.failure(f"not published: {published.failure or 'out of time'}")

    def _bury(self, stream: str | None, batch: _Batch) -> None:
        """Write poison to the dead letters; what cannot go there is not done."""
        self._telemetry.poison(batch.poison)
        if self._dead_letters is not None:
            letters = [dead_letter(payload, stream, error) for payload, error in batch.poison]
            try:
                self._dead_letters.write(letters)
            except DeadLettersUnavailable as error:
                self._telemetry.failure(str(error))
            else:
                batch.accounts.dead_lettered = len(letters)
                return
        batch.undone += [payload for payload, _ in batch.poison]


def _budget(context: Any) -> float:
    """Give the seconds that publishing may take, so that the answer still comes in time."""
    if context is None:
        return DEFAULT_BUDGET_SECONDS
    remaining = float(context.get_remaining_time_in_millis()) / 1000
    return remaining - min(ANSWER_MARGIN_SECONDS, remaining / 2)


def _checkpoint(undone: Sequence[Payload]) -> list[dict[str, str | None]]:
    """Give what Lambda starts again from: the lowest sequence number, compared as an integer."""
    if not undone:
        return []
    numbers = [payload.sequence_number for payload in undone]
    known = [number for number in numbers if number is not None]
    lowest = min(known, key=int) if len(known) == len(numbers) else None
    return [{"itemIdentifier": lowest}]
