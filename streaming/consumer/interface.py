"""What the consumer requires of a model, and the records that it writes."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

EventT = TypeVar("EventT")


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """A model's prediction for one event.

    Attributes:
        partition_key: The partition key of its record on the output stream, 1 to 256 characters.
        value: The value of `prediction` in that record; anything that msgspec encodes as JSON,
            which NaN and infinity cannot be. `msgspec.Raw` is refused if what it makes is not JSON.
    """

    partition_key: str
    value: Any


class Model(Protocol[EventT]):
    """The only thing to implement for another model; `make check-model` checks it.

    `decode` and `predict` may meet an event more than once, also the last one of an earlier batch.

    Attributes:
        name: The value of `model` in a prediction record.
        version: The value of `version`.
        event_type: The value of `event_type`.

    A model of binary data may set a further attribute, `binary_data = True`. Data that begins like
    an aggregated record and is none (a wrong checksum, a damaged message) is then handed to
    `decode` as it is, as the Kinesis Client Library does. By default it is poison: to a model of
    JSON or text it can only be a damaged record.
    Two more attributes are optional: `output_stream`, the stream of the predictions unless
    `PREDICTIONS_STREAM_NAME` names another (by default `predictions`), and `metrics_namespace`, the
    CloudWatch namespace of the metrics (by default `Predictions`).
    """

    name: str
    version: str
    event_type: str

    def decode(self, content: bytes, arrived_at: float) -> EventT | None:
        """Decode a user record.

        Args:
            content: The user record's data, decompressed.
            arrived_at: Approximate arrival on the stream, seconds since the epoch.

        Returns:
            The event; None if its event type is not one of this model's, and it is to be skipped.

        Raises:
            InvalidEvent: The data can never be an event of this model.
            Exception: Any other is as for `predict`.
        """

    def predict(self, events: Sequence[EventT]) -> Sequence[Prediction]:
        """Predict a batch in one call.

        If this raises, the last event that was predicted well is predicted again. If that succeeds,
        the batch is halved until the event that causes the error is alone; if it fails again, it is
        poison. If the earlier event fails, the model is unavailable: the events have failed, and
        Lambda retries them. If memory is short even for one event (`MemoryError`), the invocation
        fails.

        Args:
            events: At least one.

        Returns:
            As many predictions as events, in the same order.
        """


class PredictionRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A record of the output stream; one per prediction.

    Attributes:
        event_type: The model's.
        event_id: The event's `shardId:sequenceNumber`, with `:index` for an entry of an aggregated
            record. The same input always has the same id, so that readers recognise duplicates;
            it is unique within one stream and shard.
        model: The model's name.
        version: The model's version.
        prediction: The predicted values.
        arrived_at: Approximate arrival of the event on the input stream, ISO 8601 in UTC.
        stream: The input stream, so that equal event ids of two streams are two events; absent if
            Lambda did not name it.
    """

    event_type: str
    event_id: str | None
    model: str
    version: str
    prediction: Any
    arrived_at: str
    stream: str | None = None
