"""One invocation of the function with a batch, and what its response means."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from local.errors import FunctionError, FunctionUnavailable
from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.invocation_event import EncodedRecord, count_done, event_payload
from local.event_source_mapping.mapping_metrics import MappingMetrics
from local.function import Function

logger = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What an invocation led to.

    Attributes:
        done: How many of the records, from the first, are done.
        raised: The function raised an error, crashed, timed out or broke the protocol.
    """

    done: int
    raised: bool = False


class EventFormat(Protocol):
    """Writes an invocation's event, and reads what a response holds besides the failures."""

    def payload(self, records: Sequence[EncodedRecord]) -> bytes:
        """Return the event."""

    def accept(self, response: bytes, done: int) -> None:
        """Read a response.

        Raises:
            FunctionError: Something is missing in it, so that the invocation failed.
        """


class PlainEvents:
    """Events that hold nothing but records."""

    def payload(self, records: Sequence[EncodedRecord]) -> bytes:
        """See `EventFormat`."""
        return event_payload(records)

    def accept(self, response: bytes, done: int) -> None:
        """See `EventFormat`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoker:
    """Invokes the function and counts.

    Attributes:
        configuration: The mapping's configuration.
        function: The function.
        events: Writes the events.
        metrics: The mapping's metrics.
        now: The time of day.
    """

    configuration: EventSourceMappingConfiguration
    function: Function
    events: EventFormat
    metrics: MappingMetrics
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def invoke(self, records: Sequence[EncodedRecord]) -> Outcome:
        """Invoke the function once.

        Args:
            records: In the shard's order; none for the last invocation of a tumbling window.

        Raises:
            FunctionUnavailable: It could not be invoked.
        """
        self._measure_age(records)
        try:
            response = self.function.invoke(self.events.payload(records))
            outcome = Outcome(self._count_done(response, records))
            self.events.accept(response, outcome.done)
        except FunctionError as error:
            logger.warning("The function failed on %d records: %s", len(records), error)
            self.metrics.add("function_errors")
            outcome = Outcome(0, raised=True)
        except FunctionUnavailable as error:
            logger.warning("The function cannot be invoked: %s", error)
            self.metrics.add("service_errors")
            raise
        self.metrics.add("invocations")
        return outcome

    def _measure_age(self, records: Sequence[EncodedRecord]) -> None:
        if records:
            last = records[-1].record
            age = self.now() - last.arrived_at
            self.metrics.set_iterator_age(last.shard_id, age / timedelta(milliseconds=1))

    def _count_done(self, response: bytes, records: Sequence[EncodedRecord]) -> int:
        if not self.configuration.partial_responses:
            return len(records)
        done = count_done(response, records)
        if done < len(records):
            self.metrics.add("partial_failures")
        return done
