"""One batch, start to end: user records → events → predictions → the output stream.

Every user record is in the end published, skipped, dead-lettered or failed, and the counts are
reconciled. A batch is processed in slices, so that memory is bounded however many entries its
aggregated records hold.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic

import msgspec

from streaming.consumer.batch import Batch
from streaming.consumer.interface import EventT, Model, PredictionRecord
from streaming.consumer.model_check import check_count, check_key, check_predictions
from streaming.consumer.poison import dead_letter_record, model_failure
from streaming.consumer.records import UserRecord, kinesis_records, stream_name, user_records
from streaming.consumer.telemetry import Telemetry
from streaming.dead_letters import encode_lines, object_name
from streaming.errors import Poison, PredictionTooLarge, StorageError
from streaming.publisher import Entry, Publisher, entry_bytes
from streaming.storage import Storage
from streaming.timestamps import iso_utc

DEFAULT_BUDGET_SECONDS = 60.0
"""Time for a batch that comes without Lambda's context."""

RESPONSE_SECONDS = 1.0
"""Time to return the response after the last call to AWS."""

SLICE_RECORDS = 1_000
"""User records processed at a time: two full calls of PutRecords. Larger slices are no faster, and
more memory stays resident after full batches: 6 MB at 2,000 (Python 3.13)."""


HOT_KEY_CALLS = 10
"""A partition key is hot if the entries of a slice take so many calls because of it."""


class Consumer(Generic[EventT]):
    """Processes the batches that Lambda invokes the function with.

    Args:
        model: The model.
        publisher: Puts predictions on the output stream; None: a test run, which returns them.
        dead_letters: Where dead-letter records are written; None: poison is a batch item failure.
        telemetry: Writes logs and metrics.
        call_seconds: The longest that one call to AWS may take. Two fit between the deadline of
            publishing and that of the response: the last PutRecords, and writing dead letters.
        now: Seconds since the epoch.
        clock: Monotonic seconds; the publisher's.
    """

    def __init__(
        self,
        model: Model[EventT],
        *,
        publisher: Publisher | None,
        dead_letters: Storage | None,
        telemetry: Telemetry,
        call_seconds: float = 7.0,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._telemetry = telemetry
        self._margin = 2 * call_seconds + RESPONSE_SECONDS
        self._now = now
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode

    def handle(self, event: Any, context: Any = None) -> dict[str, Any]:
        """Process one batch.

        Args:
            event: Lambda's Kinesis event.
            context: Lambda's context object; None outside Lambda.

        Returns:
            Lambda's partial batch response: `batchItemFailures` holds the lowest sequence number
            that failed, or nothing. The number is null, which fails the whole batch, if a failed
            record came without one. A test run also returns `predictions`.

        Raises:
            UnexpectedEvent: The invocation is not a batch from a Kinesis stream.
            ReconciliationError: A bug; Lambda retries the batch.
            MemoryError: Memory is short; Lambda retries the batch.
        """
        started, now = self._clock(), self._now()
        records = kinesis_records(event)
        batch = Batch(stream_name(records), started + self._budget(context), now)
        for received in _slices(user_records(records, now)):
            batch.counts.received += len(received)
            batch.oldest_arrival = min(batch.oldest_arrival, *(r.arrived_at for r in received))
            if batch.publishing_stopped or self._clock() >= batch.deadline:
                self._telemetry.failure(f"{len(received)} user records not started: out of time")
                batch.fail(received)
            else:
                self._process(received, batch)

        if batch.hot_key_calls:
            self._telemetry.warning(
                f"hot partition key: {batch.hot_key_calls} calls of PutRecords one after another, "
                "for the predictions of one key; AGGREGATE_OUTPUT=hot makes them a few"
            )
        batch.counts.reconcile()
        self._telemetry.batch(
            batch.counts,
            latency=self._clock() - started,
            arrival_age=now - batch.oldest_arrival if records else None,
            request_id=getattr(context, "aws_request_id", None),
        )
        response: dict[str, Any] = {"batchItemFailures": batch.item_failures()}
        if self._publisher is None:
            response["predictions"] = batch.predictions
        return response

    def _budget(self, context: Any) -> float:
        """Return how many seconds publishing may take, so that the response is still in time."""
        if context is None:
            return DEFAULT_BUDGET_SECONDS
        remaining = float(context.get_remaining_time_in_millis()) / 1000
        if remaining >= 2 * self._margin:
            return remaining - self._margin
        # In time only if the calls take less than their timeouts.
        self._telemetry.warning(
            f"the function's remaining time is {remaining:.1f} s; if calls to AWS time out, "
            f"responding in time takes {2 * self._margin:.0f} s"
        )
        return remaining / 2

    def _process(self, received: Sequence[UserRecord], batch: Batch) -> None:
        events = self._decode(received, batch)
        entries = self._predict(events, batch) if events else []
        if self._publisher is None:
            batch.counts.published += len(entries)
            batch.predictions += [msgspec.json.decode(entry["Data"]) for _, entry in entries]
        else:
            self._publish(self._publisher, entries, batch)
        if batch.poison:
            self._dead_letter(batch)

    def _decode(
        self, received: Sequence[UserRecord], batch: Batch
    ) -> list[tuple[UserRecord, EventT]]:
        decode = self._model.decode
        events: list[tuple[UserRecord, EventT]] = []
        for user_record in received:
            try:
                event = decode(user_record.content(), user_record.arrived_at)
            except Poison as error:
                batch.poison.append((user_record, error.bare()))
            except MemoryError:
                raise  # not the record's fault: Lambda retries the batch
            except Exception as error:  # noqa: BLE001  a model may raise anything
                self._telemetry.model_error("decode", error)
                batch.poison.append((user_record, model_failure("decode", error)))
            else:
                if event is None:
                    batch.counts.skipped += 1
                else:
                    events.append((user_record, event))
        return events

    def _predict(
        self, events: Sequence[tuple[UserRecord, EventT]], batch: Batch
    ) -> list[tuple[UserRecord, Entry]]:
        """Predict all events at once; on an error, halve them until the one at fault is alone."""
        try:
            return self._predict_all(events, batch.stream)
        except Exception as error:
            if len(events) == 1:
                if isinstance(error, MemoryError):
                    raise
                self._telemetry.model_error("predict", error)
                batch.poison.append((events[0][0], model_failure("predict", error)))
                return []
        middle = len(events) // 2
        return [*self._predict(events[:middle], batch), *self._predict(events[middle:], batch)]

    def _predict_all(
        self, events: Sequence[tuple[UserRecord, EventT]], stream: str | None
    ) -> list[tuple[UserRecord, Entry]]:
        model, encode = self._model, self._encode
        predictions = model.predict([event for _, event in events])
        check_count(predictions, len(events))
        try:
            # msgspec writes NaN and infinity as null. One search of all values is the cheapest.
            if b"null" in encode([prediction.value for prediction in predictions]):
                check_predictions(predictions)
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
                                prediction.value,
                                iso_utc(user_record.arrived_at),
                                stream,
                            )
                        ),
                        "PartitionKey": _valid_key(prediction.partition_key),
                    },
                )
                for (user_record, _), prediction in zip(events, predictions, strict=True)
            ]
        except Exception:
            check_predictions(predictions)
            raise

    def _publish(
        self, publisher: Publisher, entries: Sequence[tuple[UserRecord, Entry]], batch: Batch
    ) -> None:
        published = publisher.publish([entry for _, entry in entries], batch.deadline)
        batch.counts.published += published.accepted
        batch.counts.retried += published.retried
        if published.successive_calls >= HOT_KEY_CALLS:
            batch.hot_key_calls += published.successive_calls
        for position in published.unacceptable:
            user_record, entry = entries[position]
            size, key = entry_bytes(entry), len(entry["PartitionKey"])
            error = PredictionTooLarge(f"{size} bytes under a partition key of {key} characters")
            batch.poison.append((user_record, error))
        batch.fail(entries[position][0] for position in published.refused)
        if published.refused:
            batch.publishing_stopped = True
            self._telemetry.failure(f"not published: {published.failure or 'out of time'}")

    def _dead_letter(self, batch: Batch) -> None:
        """Write poison to the dead letters; what cannot be written there has failed."""
        poison, batch.poison = batch.poison, []
        self._telemetry.poison(poison)
        if self._dead_letters is not None:
            records = [dead_letter_record(each, batch.stream, error) for each, error in poison]
            try:
                self._dead_letters.put(object_name(records), encode_lines(records))
            except StorageError as error:
                self._telemetry.failure(str(error))
            else:
                batch.counts.dead_lettered += len(records)
                return
        batch.fail(user_record for user_record, _ in poison)


def _slices(received: Iterator[UserRecord]) -> Iterator[list[UserRecord]]:
    while some := list(islice(received, SLICE_RECORDS)):
        yield some


def _valid_key(partition_key: str) -> str:
    """Reject a key that Kinesis refuses, before it fails the call for all other entries."""
    if not (partition_key and str.isascii(partition_key)):
        check_key(partition_key)
    return partition_key
