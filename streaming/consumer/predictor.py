"""Predictions of payloads that do not come from a stream: over HTTP, or from a table.

They are decoded and predicted with the consumer's own steps, so the answers are those of the
stream, and so are the errors.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from streaming.consumer.batch import Batch
from streaming.consumer.interface import EventT, Model
from streaming.consumer.model_calls import Draw, ModelCalls
from streaming.consumer.poison import error_message
from streaming.consumer.records import UserRecord
from streaming.consumer.telemetry import Telemetry
from streaming.errors import Poison


@dataclass(frozen=True, slots=True)
class Payload:
    """What to predict.

    Attributes:
        data: What a producer would put on the stream.
        event_id: The `event_id` of its prediction record; None: it has none.
        arrived_at: When it came, seconds since the epoch; None: when `predict` says.
    """

    data: bytes
    event_id: str | None = None
    arrived_at: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A payload that can never be predicted: on the stream, a dead letter.

    Attributes:
        error_type: The name of the error, as in a dead-letter record.
        error_message: Its message, as in a dead-letter record.
        reason: The message without any value of the payload, so that it may be logged.
    """

    error_type: str
    error_message: str
    reason: str


class Skipped:
    """A payload whose event type is not one of the model's."""


class Unavailable:
    """A payload that may be predicted later: the model fails on every event, or time is up."""


SKIPPED = Skipped()
UNAVAILABLE = Unavailable()

Answer = bytes | Rejected | Skipped | Unavailable
"""One payload's answer; `bytes` are the JSON of a `PredictionRecord`."""


class Predictor(Generic[EventT]):
    """Predicts payloads; not for use by two threads at once.

    Args:
        model: The model.
        telemetry: Logs exceptions of the model.
        clock: Monotonic seconds.
        draw: Draws the events that are tried before the model has handled one.
    """

    def __init__(
        self,
        model: Model[EventT],
        telemetry: Telemetry,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Draw = random.sample,
    ) -> None:
        self.model = model
        self._calls = ModelCalls(model, telemetry, clock, draw)
        self._clock = clock

    @property
    def last_handled(self) -> UserRecord | None:
        """The last payload that was predicted well, as the user record that it was made."""
        return self._calls.last_handled

    def handles(self, user_record: UserRecord) -> bool:
        """Return whether the model decodes a user record and predicts its event, or skips it."""
        return self._calls.handles(user_record)

    def predict(
        self, payloads: Sequence[Payload], arrived_at: float, seconds: float
    ) -> list[Answer]:
        """Predict payloads, with one call of the model if it raises nothing.

        Args:
            payloads: Any number.
            arrived_at: When those came that do not say it, seconds since the epoch.
            seconds: How long to try. One call of the model is never interrupted.

        Returns:
            An answer per payload, in order.

        Raises:
            MemoryError: Memory is short even for one event.
        """
        started = self._clock()
        # A payload's position stands in for the sequence number that it does not have.
        records = [
            UserRecord(
                payload.data,
                payload.event_id,
                str(position),
                None,
                arrived_at if payload.arrived_at is None else payload.arrived_at,
            )
            for position, payload in enumerate(payloads)
        ]
        batch = Batch(None, started + seconds, started + seconds, arrived_at)
        answers: dict[str | None, Answer] = {}
        left = records
        while left and not batch.publishing_stopped and self._clock() < batch.deadline:
            events, left = self._calls.decode(left, batch)
            for record, entry in self._calls.predict(events, batch) if events else []:
                answers[record.sequence_number] = entry["Data"]
        batch.fail(left)
        answers |= {record.sequence_number: _rejected(error) for record, error in batch.poison}
        answers |= dict.fromkeys(batch.failed, UNAVAILABLE)
        return [answers.get(record.sequence_number, SKIPPED) for record in records]


def _rejected(error: Poison) -> Rejected:
    return Rejected(type(error).__name__, error_message(error), error.reason)
