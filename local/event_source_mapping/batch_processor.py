"""Processes a batch until each record is done or discarded, by AWS's rules.

The rules are from the Lambda developer guide's pages on Kinesis: Configuring partial batch
response, Retain discarded batch records, and the parameters of the event source mapping. Where the
guide is silent they follow what AWS was observed to do.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import count, takewhile

from local.errors import FunctionUnavailable
from local.event_source_mapping.invocation_event import EncodedRecord
from local.event_source_mapping.invoker import Invoker
from local.event_source_mapping.mapping_metrics import MappingMetrics
from local.event_source_mapping.on_failure_destination import (
    Destination,
    DiscardedBatch,
    InvocationRecord,
    MappingIdentity,
)
from local.event_source_mapping.retry_policy import MappingStopped, RetryPolicy
from streaming.errors import StorageError

logger = logging.getLogger(__name__)


class Action(Enum):
    """What to do after an invocation."""

    FINISH = auto()
    ADVANCE = auto()
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


def decide(attempt: Attempt, done: int, policy: RetryPolicy) -> tuple[Action, Sequence[Attempt]]:
    """Return what to do after an invocation.

    Args:
        attempt: What was sent.
        done: How many of its records, from the first, are done.
        policy: The mapping's limits.

    Returns:
        The action, and the attempts it applies to, in order. If some records are done, the
        checkpoint has moved: the others are a new batch, with all of MaximumRetryAttempts before
        it. A split costs no retry.
    """
    if done == len(attempt.records):
        return Action.FINISH, []
    if done:
        return Action.ADVANCE, [Attempt(attempt.records[done:])]
    if policy.configuration.bisect_batch_on_function_error and len(attempt.records) > 1:
        middle = len(attempt.records) // 2
        return Action.SPLIT, [
            replace(attempt, records=attempt.records[:middle]),
            replace(attempt, records=attempt.records[middle:]),
        ]
    if policy.is_exhausted(attempt.retries):
        return Action.DISCARD, [attempt]
    return Action.RETRY, [replace(attempt, retries=attempt.retries + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProcessor:
    """Invokes the function with one batch after another and applies the mapping's rules.

    Attributes:
        policy: The mapping's limits.
        invoker: Invokes the function.
        identity: The mapping's names.
        destination: Receives discarded records; None: they are only logged.
        metrics: The mapping's metrics.
        on_finished: Called with records that are done or discarded, in order.
    """

    policy: RetryPolicy
    invoker: Invoker
    identity: MappingIdentity
    destination: Destination | None
    metrics: MappingMetrics
    on_finished: Callable[[Sequence[EncodedRecord]], None]

    def due_in(self) -> float | None:
        """Return None: there is nothing to do without records."""
        return None

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
                self._discard_expired(todo)
                if todo:
                    todo.extend(reversed(self._step(todo.pop())))
        except MappingStopped:
            return False
        return True

    def close(self) -> None:
        """Do nothing: the end of a shard leaves nothing to do."""

    def _discard_expired(self, todo: list[Attempt]) -> None:
        """Discard the first records if they are too old, those of several halves together.

        Args:
            todo: The attempts, the next one last.
        """
        oldest = self.policy.oldest()
        expired: list[EncodedRecord] = []
        invocations = 0
        while todo:
            attempt = todo[-1]
            old = list(takewhile(lambda each: each.record.arrived_at < oldest, attempt.records))
            if old:
                invocations = max(invocations, attempt.invocations)
            expired += old
            if len(old) < len(attempt.records):
                todo[-1] = replace(attempt, records=attempt.records[len(old) :])
                break
            todo.pop()
        if expired:
            self._discard(DiscardedBatch(expired, "RecordAgeExceeded", invocations))

    def _step(self, attempt: Attempt) -> Sequence[Attempt]:
        try:
            outcome = self.invoker.invoke(attempt.records)
        except FunctionUnavailable:
            self.policy.pause(attempt.service_errors)
            return [replace(attempt, service_errors=attempt.service_errors + 1)]
        self.on_finished(attempt.records[: outcome.done])
        self.metrics.add("records_done", outcome.done)
        invoked = replace(
            attempt,
            invocations=attempt.invocations + 1,
            service_errors=0,
            raised=outcome.raised,
        )
        return self._follow(invoked, outcome.done)

    def _follow(self, attempt: Attempt, done: int) -> Sequence[Attempt]:
        action, following = decide(attempt, done, self.policy)
        match action:
            case Action.DISCARD:
                self._discard(
                    DiscardedBatch(
                        attempt.records,
                        "RetryAttemptsExhausted",
                        attempt.invocations,
                        attempt.raised,
                    )
                )
                return []
            case Action.SPLIT:
                self.metrics.add("bisects")
            case Action.RETRY:
                self.metrics.add("retries")
                self.policy.pause_before_retry(attempt.retries)
        return following

    def _discard(self, batch: DiscardedBatch) -> None:
        logger.warning("Discarded %d records: %s", len(batch.records), batch.condition)
        if self.destination is not None:
            self._send(batch, self.destination)
        self.on_finished(batch.records)
        self.metrics.add("records_discarded", len(batch.records))

    def _send(self, batch: DiscardedBatch, destination: Destination) -> None:
        record = InvocationRecord(batch, self.identity, self.policy.now())
        for failures in count():
            try:
                destination.send(record)
            except StorageError as error:
                # A record that is neither done nor stored would be lost.
                logger.warning("The on-failure destination fails: %s", error)
                self.metrics.add("destination_failures")
                self.policy.pause(failures)
            else:
                return
