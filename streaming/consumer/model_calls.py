"""The calls of the model, and whose fault it is when one fails: the event's or the model's.

An event is at fault if it fails alone, the model still handles the last event that it handled
well, and the event then fails again: the model may have failed for a moment only. If the model
fails on that last event too, it is unavailable (it needs something that it cannot reach, say): then
its events are not poison, they have failed and Lambda retries them.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from streaming.consumer.batch import Batch
from streaming.consumer.interface import EventT, Model, PredictionRecord
from streaming.consumer.model_check import (
    check_count,
    check_key,
    check_predictions,
    encoded_values,
)
from streaming.consumer.poison import model_failure
from streaming.consumer.records import UserRecord
from streaming.consumer.telemetry import Telemetry
from streaming.errors import Poison, PredictionFailed
from streaming.publisher import Entry
from streaming.timestamps import iso_utc

SAMPLE = 10
"""Events of a slice, drawn at random, that are tried if the model never handled one before. Those
that a retry tries are others: bad events at fixed places do not hide the good ones for ever."""

Draw = Callable[[Sequence[Any], int], Sequence[Any]]
"""Draws a number of items at random, each once, as `random.sample` does."""

REFERENCE_BYTES = 64 * 1024
"""The largest user record that is kept, with its event, for the life of the environment."""

OUT_OF_TIME = "out of time: {} raises exceptions"

ItemT = TypeVar("ItemT")


class _Stopped(Exception):
    """The model is unavailable, or there is no time left for it."""


class ModelCalls(Generic[EventT]):
    """Decodes user records and predicts events; what fails goes to the batch.

    Args:
        model: The model.
        telemetry: Logs if the model is unavailable.
        clock: Monotonic seconds.
        draw: Draws the events of a sample.
    """

    def __init__(
        self,
        model: Model[EventT],
        telemetry: Telemetry,
        clock: Callable[[], float],
        draw: Draw = random.sample,
    ) -> None:
        self._model = model
        self._telemetry = telemetry
        self._clock = clock
        self._draw = draw
        self._encode = msgspec.json.Encoder().encode
        self._decoded: UserRecord | None = None
        self._handled: tuple[UserRecord, EventT] | None = None

    @property
    def last_handled(self) -> UserRecord | None:
        """The last user record whose event was predicted well, if it was not large."""
        return self._handled[0] if self._handled else None

    def handles(self, user_record: UserRecord) -> bool:
        """Return whether the model decodes a user record and predicts its event, or skips it."""
        try:
            event = self._model.decode(user_record.content(), user_record.arrived_at)
            return event is None or self._predicts((user_record, event))
        except Exception:  # noqa: BLE001  a model may raise anything
            return False

    def decode(
        self, received: Sequence[UserRecord], batch: Batch
    ) -> tuple[list[tuple[UserRecord, EventT]], list[UserRecord]]:
        """Decode user records, as many as there is time for.

        A small record can take long, if it is compressed or poison; after such a one, half of the
        time that is left is kept for predicting and publishing.

        Returns:
            The events among them that are the model's, and the user records that are not decoded
            yet: never all of them.
        """
        decode = self._model.decode
        events: list[tuple[UserRecord, EventT]] = []
        remaining = iter(received)
        decoded: UserRecord | None = None
        until = 0.0
        for user_record in remaining:
            try:
                try:
                    content = user_record.content()
                    event = decode(content, user_record.arrived_at)
                except (Poison, MemoryError):
                    raise  # a lack of memory is not the record's fault: Lambda retries the batch
                except Exception as error:  # noqa: BLE001  a model may raise anything
                    until = until or self._half_time(batch)
                    decoded = self._still_decodes(decoded or self._decoded, received, error, until)
                    event = self._decode_again(user_record)
            except Poison as error:
                batch.poison.append((user_record, model_failure("decode", error)))
            except _Stopped:
                batch.stop([user_record, *remaining])
            else:
                if event is None:
                    batch.counts.skipped += 1
                else:
                    decoded = user_record
                    events.append((user_record, event))
                if content is user_record.data:
                    continue
            content = b""  # the next one may be large, too
            until = until or self._half_time(batch)
            if self._clock() >= until:
                break
        self._remember_decoded(decoded)
        return events, list(remaining)

    def _still_decodes(
        self,
        last: UserRecord | None,
        received: Sequence[UserRecord],
        error: Exception,
        until: float,
    ) -> UserRecord:
        """Return a user record that the model still decodes after an exception.

        Args:
            last: The last one that it decoded well; None: a sample is tried.
            received: The user records of the sample.
            error: The exception.
            until: When to stop looking for poison.

        Raises:
            _Stopped: The model is unavailable, or there is no time left.
        """
        self._telemetry.model_error("decode", error)
        self._check_time(until, "decode")
        for tried in [last] if last else self._sample(received):
            if _succeeds(self._decodes, tried):
                return tried
        self._telemetry.model_unavailable("decode", error)
        raise _Stopped

    def _decode_again(self, user_record: UserRecord) -> EventT | None:
        """Decode a user record again after an exception.

        Raises:
            Poison: It fails again: the user record is at fault.
        """
        try:
            return self._model.decode(user_record.content(), user_record.arrived_at)
        except (Poison, MemoryError):
            raise
        except Exception as again:  # noqa: BLE001  a model may raise anything
            raise model_failure("decode", again) from None

    def predict(
        self, events: Sequence[tuple[UserRecord, EventT]], batch: Batch
    ) -> list[tuple[UserRecord, Entry]]:
        """Predict all events with one call; if that fails, as many of them as possible."""
        try:
            predicted = self._predict(events, batch.stream)
        except Exception as error:  # noqa: BLE001  a model may raise anything
            predicted = self._predict_in_parts(events, error, batch)
        else:
            self._remember(events[-1])
        finally:
            if self._handled and _is_large(self._handled[0]):
                self._handled = None
        return predicted

    def _predict_in_parts(
        self, events: Sequence[tuple[UserRecord, EventT]], error: Exception, batch: Batch
    ) -> list[tuple[UserRecord, Entry]]:
        """Halve events that cannot be predicted together until the one at fault is alone."""
        until = self._half_time(batch)
        predicted: list[tuple[UserRecord, Entry]] = []
        chunk, chunks = events, list[Sequence[tuple[UserRecord, EventT]]]()
        try:
            chunks = self._parts(chunk, error, batch)  # a stack: the next one in order is the last
            while chunks:
                chunk = chunks.pop()
                self._check_time(until, "predict")
                try:
                    predicted += self._predict(chunk, batch.stream)
                except Exception as failure:  # noqa: BLE001  a model may raise anything
                    chunks += self._parts(chunk, failure, batch)
                else:
                    self._remember(chunk[-1])
        except _Stopped:
            left = [chunk, *reversed(chunks)]
            batch.stop(user_record for part in left for user_record, _ in part)
        return predicted

    def _parts(
        self, chunk: Sequence[tuple[UserRecord, EventT]], error: Exception, batch: Batch
    ) -> list[Sequence[tuple[UserRecord, EventT]]]:
        """Return the halves of events that cannot be predicted together, the second one first.

        Returns:
            Nothing if there is a single event that fails again, which is poison.

        Raises:
            _Stopped: The model is unavailable.
        """
        self._telemetry.model_error("predict", error)
        memory_is_short = isinstance(error, MemoryError)
        if memory_is_short and len(chunk) == 1:
            raise error  # not the event's fault: Lambda retries the batch
        if len(chunk) == 1 and _is_poison(error):
            batch.poison.append((chunk[0][0], model_failure("predict", error)))
            return []
        if not memory_is_short and not self._still_predicts(chunk):
            self._telemetry.model_unavailable("predict", error)
            raise _Stopped
        if len(chunk) == 1:
            if _succeeds(self._predicts, chunk[0]):
                return [chunk]
            batch.poison.append((chunk[0][0], model_failure("predict", error)))
            return []
        middle = len(chunk) // 2
        return [chunk[middle:], chunk[:middle]]

    def _check_time(self, until: float, step: str) -> None:
        if self._clock() >= until:
            self._telemetry.failure(OUT_OF_TIME.format(step))
            raise _Stopped

    def _half_time(self, batch: Batch) -> float:
        """Return until when to look for poison: the other half of the time is for publishing."""
        now = self._clock()
        return now + max(0.0, batch.deadline - now) / 2

    def _decodes(self, user_record: UserRecord) -> bool:
        # An event of another type shows nothing: the model may skip it before it fails.
        return self._model.decode(user_record.content(), user_record.arrived_at) is not None

    def _still_predicts(self, chunk: Sequence[tuple[UserRecord, EventT]]) -> bool:
        tried = [self._handled] if self._handled else self._sample(chunk)
        return any(_succeeds(self._predicts, each) for each in tried)

    def _sample(self, items: Sequence[ItemT]) -> Sequence[ItemT]:
        return self._draw(items, min(SAMPLE, len(items)))

    def _predicts(self, event: tuple[UserRecord, EventT]) -> bool:
        self._predict([event], None)
        self._remember(event)
        return True

    def _remember_decoded(self, user_record: UserRecord | None) -> None:
        if user_record is not None and not _is_large(user_record):
            self._decoded = user_record

    def _remember(self, event: tuple[UserRecord, EventT]) -> None:
        # A large one serves if there is no other, until this slice is predicted.
        if self._handled is None or not _is_large(event[0]):
            self._handled = event

    def _predict(
        self, events: Sequence[tuple[UserRecord, EventT]], stream: str | None
    ) -> list[tuple[UserRecord, Entry]]:
        model, encode = self._model, self._encode
        predictions = model.predict([event for _, event in events])
        check_count(predictions, len(events))
        try:
            values = encoded_values(predictions)
            return [
                (
                    user_record,
                    {
                        "Data": encode(
                            PredictionRecord(
                                model.event_type,
                                user_record.event_id,
                                model.name,
                                model.version,
                                value,
                                iso_utc(user_record.arrived_at),
                                stream,
                            )
                        ),
                        "PartitionKey": _valid_key(prediction.partition_key),
                    },
                )
                for (user_record, _), prediction, value in zip(
                    events, predictions, values, strict=True
                )
            ]
        except Exception:
            check_predictions(predictions)
            raise


def _is_poison(error: Exception) -> bool:
    """Return whether the model calls an event poison; a bad prediction may be its own fault."""
    return isinstance(error, Poison) and not isinstance(error, PredictionFailed)


def _is_large(user_record: UserRecord) -> bool:
    return len(user_record.data) > REFERENCE_BYTES


def _succeeds(step: Callable[[ItemT], bool], item: ItemT) -> bool:
    try:
        return step(item)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a model may raise anything
        return False


def _valid_key(partition_key: str) -> str:
    """Reject a key that Kinesis refuses, before it fails the call for all other entries."""
    if not (partition_key and str.isascii(partition_key)):
        check_key(partition_key)
    return partition_key
