"""Processes a batch until each record is done or discarded, by AWS's rules.

The rules are from the Lambda developer guide's pages on Kinesis: Configuring partial batch
response, Retain discarded batch records, and the parameters of the event source mapping.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import count, dropwhile

from local.errors import FunctionError, FunctionUnavailable
from local.event_source_mapping.configuration import UNLIMITED, EventSourceMappingConfiguration
from local.event_source_mapping.invocation_event import EncodedRecord, count_done, event_payload
from local.event_source_mapping.mapping_metrics import MappingMetrics
from local.event_source_mapping.on_failure_destination import (
    Condition,
    Destination,
    DiscardedBatch,
    MappingIdentity,
    invocation_record,
    object_key,
)
from local.function import Function
from streaming.errors import StorageError
from streaming.retries import backoff

logger = logging.getLogger(__name__)


class Action(Enum):
    """What to do after an invocation."""

    FINISH = auto()
    SPLIT = auto()
    RETRY = auto()
    DISCARD = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """Records to send to the function together.

    Attributes:
        records: In the shard's order.
        retries: How many of MaximumRetryAttempts are used.
        invocations: How often the function has been invoked with them.
        service_errors: How often in succession the function could not be invoked.
        raised: Whether the last invocation raised an error.
    """

    records: Sequence[EncodedRecord]
    retries: int = 0
    invocations: int = 0
    service_errors: int = 0
    raised: bool = False


def decide(
    attempt: Attempt, done: int, configuration: EventSourceMappingConfiguration
) -> tuple[Action, Sequence[Attempt]]:
    """Return what to do after an invocation.

    Args:
        attempt: What was sent.
        done: How many of its records, from the first, are done.
        configuration: The mapping's configuration.

    Returns:
        The action, and the attempts it applies to, in order. A split does not count as a retry:
        the batch is cut at the first record not done, or halved if that is its first record.
    """
    rest = replace(attempt, records=attempt.records[done:])
    if not rest.records:
        return Action.FINISH, []
    if configuration.bisect_batch_on_function_error and len(attempt.records) > 1:
        if done:
            return Action.SPLIT, [rest]
        middle = len(rest.records) // 2
        return Action.SPLIT, [
            replace(rest, records=rest.records[:middle]),
            replace(rest, records=rest.records[middle:]),
        ]
    limit = configuration.maximum_retry_attempts
    if limit != UNLIMITED and attempt.retries >= limit:
        return Action.DISCARD, [rest]
    return Action.RETRY, [replace(rest, retries=attempt.retries + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProcessor:
    """Invokes the function with one batch after another and applies the mapping's rules.

    Attributes:
        configuration: The mapping's configuration.
        identity: The mapping's names.
        function: The function.
        destination: Stores discarded records; None: they are only logged.
        retention: The stream's retention period.
        metrics: The mapping's metrics.
        on_finished: Called with records that are done or discarded, in order.
        wait: Waits for some seconds; returns true if the mapping stops.
        now: The time of day.
        jitter: Returns a random number, uniform from 0 to 1.
    """

    configuration: EventSourceMappingConfiguration
    identity: MappingIdentity
    function: Function
    destination: Destination | None
    retention: timedelta
    metrics: MappingMetrics
    on_finished: Callable[[Sequence[EncodedRecord]], None]
    wait: Callable[[float], bool]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random

    def process(self, records: Sequence[EncodedRecord]) -> bool:
        """Process a batch until each record is done or discarded.

        Args:
            records: In the shard's order.

        Returns:
            False if the mapping stops while records wait for a retry.
        """
        todo = [Attempt(records)]
        try:
            while todo:
                todo.extend(reversed(self._step(todo.pop())))
        except _Stopped:
            return False
        return True

    def _step(self, attempt: Attempt) -> Sequence[Attempt]:
        attempt = self._without_expired(attempt)
        if not attempt.records:
            return []
        try:
            attempt, done = self._invoke(attempt)
        except FunctionUnavailable as error:
            logger.warning("The function cannot be invoked: %s", error)
            self.metrics.add("service_errors")
            self._pause(attempt.service_errors)
            return [replace(attempt, service_errors=attempt.service_errors + 1)]
        self.on_finished(attempt.records[:done])
        self.metrics.add("records_done", done)
        return self._follow(attempt, done)

    def _without_expired(self, attempt: Attempt) -> Attempt:
        oldest = self.now() - self._longest_age()
        fresh = list(dropwhile(lambda each: each.record.arrived_at < oldest, attempt.records))
        if expired := len(attempt.records) - len(fresh):
            old = replace(attempt, records=attempt.records[:expired])
            self._discard(old, "RecordAgeExceeded")
        return replace(attempt, records=fresh)

    def _longest_age(self) -> timedelta:
        seconds = self.configuration.maximum_record_age_in_seconds
        if seconds == UNLIMITED:
            return self.retention
        return min(self.retention, timedelta(seconds=seconds))

    def _invoke(self, attempt: Attempt) -> tuple[Attempt, int]:
        last = attempt.records[-1].record
        age = self.now() - last.arrived_at
        self.metrics.set_iterator_age(last.shard_id, age / timedelta(milliseconds=1))
        try:
            response = self.function.invoke(event_payload(attempt.records))
            done, raised = self._count_done(response, attempt.records), False
        except FunctionError as error:
            logger.warning("The function failed on %d records: %s", len(attempt.records), error)
            self.metrics.add("function_errors")
            done, raised = 0, True
        self.metrics.add("invocations")
        return replace(
            attempt, invocations=attempt.invocations + 1, service_errors=0, raised=raised
        ), done

    def _count_done(self, response: bytes, records: Sequence[EncodedRecord]) -> int:
        if not self.configuration.partial_responses:
            return len(records)
        done = count_done(response, records)
        if done < len(records):
            self.metrics.add("partial_failures")
        return done

    def _follow(self, attempt: Attempt, done: int) -> Sequence[Attempt]:
        action, following = decide(attempt, done, self.configuration)
        if action is Action.DISCARD:
            self._discard(following[0], "RetryAttemptsExhausted")
            return []
        if action is Action.SPLIT:
            self.metrics.add("bisects")
        elif action is Action.RETRY:
            self.metrics.add("retries")
            self._pause(attempt.retries)
        return following

    def _discard(self, attempt: Attempt, condition: Condition) -> None:
        discarded = DiscardedBatch(attempt.records, condition, attempt.invocations, attempt.raised)
        logger.warning("Discarded %d records: %s", len(attempt.records), condition)
        if self.destination is not None:
            self._store(discarded, self.destination)
        self.on_finished(attempt.records)
        self.metrics.add("records_discarded", len(attempt.records))

    def _store(self, discarded: DiscardedBatch, destination: Destination) -> None:
        at = self.now()
        key = object_key(self.identity.uuid, discarded.records[0].record.shard_id, at)
        body = invocation_record(discarded, self.identity, at)
        for failures in count():
            try:
                destination.put(key, body)
            except StorageError as error:
                # A record that is neither done nor stored would be lost.
                logger.warning("The on-failure destination fails: %s", error)
                self.metrics.add("destination_failures")
                self._pause(failures)
            else:
                return

    def _pause(self, attempt: int) -> None:
        if self.wait(backoff(attempt, self.jitter)):
            raise _Stopped


class _Stopped(Exception):
    """The mapping stops while a batch waits for a retry."""
