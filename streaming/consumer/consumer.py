"""One batch, start to end: user records → events → predictions → the output stream.

Every user record is in the end published, skipped, dead-lettered or failed, and the counts are
reconciled. A batch is processed in slices, so that memory is bounded however many entries its
aggregated records hold.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice, takewhile
from typing import Any, Generic

import msgspec

from streaming.consumer.batch import Batch
from streaming.consumer.interface import EventT, Model
from streaming.consumer.model_calls import Draw, ModelCalls
from streaming.consumer.model_refresh import ModelRefresh
from streaming.consumer.poison import dead_letter_record, unacceptable
from streaming.consumer.progress import Done, Progress
from streaming.consumer.records import UserRecord, kinesis_records, stream_name, user_records
from streaming.consumer.telemetry import Telemetry
from streaming.dead_letters import encode_lines, object_name
from streaming.errors import ModelBundleError, NotFinished, StorageError, StorageUnavailable
from streaming.publisher import Entry, Sink
from streaming.retries import Retries
from streaming.storage import Storage

DEFAULT_BUDGET_SECONDS = 60.0
"""Time for a batch that comes without Lambda's context."""

CALL_SECONDS = 7.0
"""The longest that a call to Kinesis, or a write of dead letters, may take."""

RESPONSE_SECONDS = 1.0
"""Time to return the response after the last call to AWS."""

SLICE_RECORDS = 1_000
"""User records processed at a time: two full calls of PutRecords. Larger slices are no faster, and
more memory stays resident after full batches: 6 MB at 2,000 (Python 3.13)."""

NOT_FINISHED_SECONDS = 3600.0
"""The age from which a record that is the first of its batch, and still not finished when the time
ends, is dead-lettered as far as it is not done. Until then, `Progress` has it finished by several
invocations of one environment."""


HOT_KEY_CALLS = 10
"""A partition key is hot if the entries of a slice take so many calls because of it."""


class Consumer(Generic[EventT]):
    """Processes the batches that Lambda invokes the function with.

    Args:
        model: The model.
        publisher: Puts predictions on the output stream, or keeps them as state; None: a test run,
            which returns them.
        dead_letters: Where dead-letter records are written; None: poison is a batch item failure.
        telemetry: Writes logs and metrics.
        call_seconds: The longest that one call to AWS may take. Two fit between the deadline of
            publishing and that of the response: the last PutRecords, and writing dead letters.
        now: Seconds since the epoch.
        retries: Repeats writing dead letters until the deadline of publishing. Its clock is the
            publisher's.
        draw: Draws the events that are tried before the model has handled one.
        refresh: Finds another model; None: the model stays.
    """

    def __init__(  # noqa: PLR0913  all but four have defaults, three are for time and randomness
        self,
        model: Model[EventT],
        *,
        publisher: Sink | None,
        dead_letters: Storage | None,
        telemetry: Telemetry,
        call_seconds: float = CALL_SECONDS,
        now: Callable[[], float] = time.time,
        retries: Retries = Retries(),  # noqa: B008  it is immutable
        draw: Draw = random.sample,
        refresh: ModelRefresh[EventT] | None = None,
    ) -> None:
        self._binary = bool(getattr(model, "binary_data", False))
        self._draw = draw
        self._model_calls = ModelCalls(model, telemetry, retries.clock, draw)
        self._refresh = refresh
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._telemetry = telemetry
        self._margin = 2 * call_seconds + RESPONSE_SECONDS
        self._call_seconds = call_seconds
        self._now = now
        self._retries = retries
        self._clock = retries.clock
        self._progress = Progress()

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
        publishing, writing = self._budgets(context)
        batch = Batch(stream_name(records), started + publishing, started + writing, now)
        batch.counts.resumed, overdue = self._progress.resume(records)
        process = self._process_overdue if overdue else self._process
        is_over = partial(self._is_over, batch)
        found = user_records(records, now, binary=self._binary, is_over=is_over)
        remaining = islice(found, batch.counts.resumed, None)
        for received in _slices(remaining):
            self._receive(received, batch)
            left = received
            while left and not batch.publishing_stopped and not is_over():
                left = process(left, batch)
                self._dead_letter(batch)
            if left:
                batch.counts.not_started += len(left)
                self._not_finished(left, batch)
                self._dead_letter(batch)

        self._warn(batch)
        number = batch.lowest_failure()
        if self._publisher is not None and (number is not None or batch.counts.resumed):
            done = Done(batch.failed.get(number, 0), overdue=number == batch.overdue)
            self._progress.update(records, number, done)
        batch.counts.reconcile()
        latency = self._clock() - started
        self._refresh_model(context)
        self._telemetry.batch(
            batch.counts,
            latency=latency,
            arrival_age=now - batch.oldest_arrival if records else None,
            request_id=getattr(context, "aws_request_id", None),
        )
        response: dict[str, Any] = {"batchItemFailures": batch.item_failures()}
        if self._publisher is None:
            response["predictions"] = batch.predictions
        return response

    def _refresh_model(self, context: Any) -> None:
        """Take another model into use, if there is one and it handles what this one handled."""
        if self._refresh is None:
            return
        limit = math.inf
        if context is not None:
            limit = float(context.get_remaining_time_in_millis()) / 1000 - RESPONSE_SECONDS
        loaded = self._refresh.poll(limit)
        if loaded is None:
            return
        calls = ModelCalls(loaded.model, self._telemetry, self._clock, self._draw)
        last = self._model_calls.last_handled
        if last is None or calls.handles(last):
            self._model_calls = calls
            self._refresh.accept(loaded)
        else:
            version = loaded.model.version
            problem = f"version {version} fails on the last event that this one predicted"
            self._refresh.refuse(ModelBundleError(problem))

    def _warn(self, batch: Batch) -> None:
        if batch.hot_key_calls:
            self._telemetry.warning(
                f"hot partition key: {batch.hot_key_calls} calls of PutRecords one after another, "
                "for the predictions of one key; with AGGREGATE_OUTPUT=hot they share records"
            )
        if batch.unknown_arrivals:
            self._telemetry.warning(
                f"{batch.unknown_arrivals} user records without a valid arrival: "
                "the current time was taken"
            )

    def _budgets(self, context: Any) -> tuple[float, float]:
        """Return how much time the batch has, so that the response is still in time.

        Returns:
            How many seconds publishing may take, and how many may pass until the last write of dead
            letters starts.
        """
        if context is None:
            return DEFAULT_BUDGET_SECONDS, DEFAULT_BUDGET_SECONDS + self._call_seconds
        remaining = float(context.get_remaining_time_in_millis()) / 1000
        if remaining >= 2 * self._margin:
            return remaining - self._margin, remaining - self._margin + self._call_seconds
        # In time only if the calls take less than their timeouts.
        self._telemetry.warning(
            f"the function's remaining time is {remaining:.1f} s; if calls to AWS time out, "
            f"responding in time takes {2 * self._margin:.0f} s"
        )
        return remaining / 2, remaining / 2

    def _receive(self, received: Sequence[UserRecord], batch: Batch) -> None:
        batch.first = batch.first or received[0]
        batch.counts.received += len(received)
        batch.unknown_arrivals += sum(not r.arrival_known for r in received)
        batch.oldest_arrival = min(batch.oldest_arrival, *(r.arrived_at for r in received))

    def _is_over(self, batch: Batch) -> bool:
        return self._clock() >= batch.deadline

    def _process_overdue(self, received: list[UserRecord], batch: Batch) -> list[UserRecord]:
        """Process user records; those of the batch's first record become poison.

        Entries in front of them are in the dead letters, and must not be overtaken.
        """
        number = batch.first.sequence_number if batch.first else None
        rest = list(takewhile(lambda each: each.sequence_number == number, received))
        batch.poison += [(each, NotFinished()) for each in rest]
        batch.overdue = number
        return received[len(rest) :] if rest else self._process(received, batch)

    def _process(self, received: list[UserRecord], batch: Batch) -> list[UserRecord]:
        """Process user records as far as there is time; return those that are not decoded."""
        events, undecoded = self._model_calls.decode(received, batch)
        entries = self._model_calls.predict(events, batch) if events else []
        if self._publisher is None:
            batch.counts.published += len(entries)
            batch.predictions += [msgspec.json.decode(entry["Data"]) for _, entry in entries]
        else:
            self._publish(self._publisher, entries, batch)
        return undecoded

    def _publish(
        self, publisher: Sink, entries: Sequence[tuple[UserRecord, Entry]], batch: Batch
    ) -> None:
        published = publisher.publish([entry for _, entry in entries], batch.deadline)
        batch.counts.published += published.accepted
        batch.counts.retried += published.retried
        if published.successive_calls >= HOT_KEY_CALLS:
            batch.hot_key_calls += published.successive_calls
        for position in published.unacceptable:
            user_record, entry = entries[position]
            batch.poison.append((user_record, unacceptable(entry)))
        if published.refused:
            self._telemetry.failure(f"not published: {published.failure or 'out of time'}")
            refused = [entries[position][0] for position in published.refused]
            batch.throttled = published.failure is not None
            self._not_finished(refused, batch)

    def _not_finished(self, user_records: Sequence[UserRecord], batch: Batch) -> None:
        """Fail user records that there was no time for.

        Args:
            user_records: In order; not empty.
            batch: The batch. If its first record has been waiting for too long, and it was not
                throttled, what is left of that becomes poison: else it could be started again for
                ever.
        """
        number = user_records[0].sequence_number
        overdue: list[UserRecord] = []
        if not batch.throttled and self._is_overdue(user_records[0], batch):
            overdue += takewhile(lambda each: each.sequence_number == number, user_records)
        batch.poison += [(each, NotFinished()) for each in overdue]
        batch.stop(user_records[len(overdue) :])

    def _is_overdue(self, user_record: UserRecord, batch: Batch) -> bool:
        """Return whether to dead-letter an entry, and those behind it in its Kinesis record.

        Only if this invocation started with the record and finished some of its entries: during an
        outage it finishes none.
        """
        number = user_record.sequence_number
        return (
            self._dead_letters is not None
            and batch.first is not None
            and batch.first.sequence_number == number
            and number not in batch.failed
            and user_record.index > batch.counts.resumed
            and batch.started_at - user_record.arrived_at >= NOT_FINISHED_SECONDS
            and self._clock() < batch.write_deadline
        )

    def _dead_letter(self, batch: Batch) -> None:
        """Write poison to the dead letters; what cannot be written there has failed."""
        if not batch.poison:
            return
        poison, batch.poison = batch.poison, []
        self._telemetry.poison(poison, batch.counts.poison)
        batch.counts.poison += len(poison)
        overdue = next((each for each, error in poison if isinstance(error, NotFinished)), None)
        if self._dead_letters is not None:
            records = [dead_letter_record(each, batch.stream, error) for each, error in poison]
            write = partial(self._dead_letters.put, object_name(records), encode_lines(records))
            try:
                self._retries.call(write, StorageUnavailable, batch.deadline)
            except StorageError as error:
                self._telemetry.failure(str(error))
            else:
                batch.counts.dead_lettered += len(records)
                if overdue is not None:
                    batch.overdue = overdue.sequence_number
                return
        batch.fail(user_record for user_record, _ in poison)
        batch.publishing_stopped |= overdue is not None  # what follows must not overtake it


def _slices(received: Iterator[UserRecord]) -> Iterator[list[UserRecord]]:
    while some := list(islice(received, SLICE_RECORDS)):
        yield some
